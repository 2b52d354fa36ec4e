//! Conversion of Rhai's errors to ours.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is Rhai's, it may grow, and most of it is one thing to us"
)]

use std::any::Any;

use rhai::{Dynamic, EvalAltResult, ParseError, Position};

use super::session::Session;
use super::value;
use crate::domain::model::job::{JobError, JobErrorKind};

/// Longest message, in bytes.
const MAX_MESSAGE: usize = 16 * 1024;

/// A script that does not parse.
pub(super) fn invalid(error: &ParseError) -> JobError {
    at(error.position(), JobError::new(JobErrorKind::ScriptInvalid, short(error.err_type().to_string())))
}

/// A script that was stopped or that failed.
pub(super) fn runtime(error: EvalAltResult, session: &Session) -> JobError {
    let mut error = innermost(error);
    let position = error.take_position();
    let kind = match &error {
        EvalAltResult::ErrorTerminated(..) => JobErrorKind::RunTimeout,
        EvalAltResult::ErrorTooManyOperations(_)
        | EvalAltResult::ErrorTooManyVariables(_)
        | EvalAltResult::ErrorStackOverflow(_)
        | EvalAltResult::ErrorDataTooLarge(..) => JobErrorKind::LimitExceeded,
        EvalAltResult::ErrorParsing(..) => JobErrorKind::ScriptInvalid,
        // The rest is what scripts do wrong.
        _ => JobErrorKind::ScriptError,
    };
    let message = match error {
        EvalAltResult::ErrorTerminated(..) => {
            format!("the script ran longer than its {:?}", session.timeout())
        }
        EvalAltResult::ErrorRuntime(value, _) => thrown(value),
        EvalAltResult::ErrorTooManyModules(_) | EvalAltResult::ErrorModuleNotFound(..) => {
            "import is not available to scripts".to_owned()
        }
        other => other.to_string(),
    };
    at(position, JobError::new(kind, short(message)))
}

/// Returns the message of a panic.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    short(format!("the script engine panicked: {}", said.unwrap_or("without a message")))
}

/// The error itself, without the calls and modules that it came through.
fn innermost(error: EvalAltResult) -> EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, outer)
        | EvalAltResult::ErrorInModule(_, inner, outer) => {
            let mut inner = innermost(*inner);
            if inner.position().is_none() {
                inner.set_position(outer);
            }
            inner
        }
        error => error,
    }
}

/// Renders a thrown value: a string as it is, everything else as JSON.
fn thrown(value: Dynamic) -> String {
    match value::render(value, MAX_MESSAGE) {
        Ok(Some(result)) if !result.text.is_empty() => result.text,
        Ok(_) => "the script threw nothing".to_owned(),
        Err(error) => format!("the script threw a value that cannot be shown: {}", error.message),
    }
}

fn at(position: Position, mut error: JobError) -> JobError {
    error.line = position.line().and_then(|line| u32::try_from(line).ok());
    error.column = position.position().and_then(|column| u32::try_from(column).ok());
    error
}

fn short(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MAX_MESSAGE));
    message
}
