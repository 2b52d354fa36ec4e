//! Derives the result or the error of a program that has ended.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::end_report::EndReport;
use super::run::Ended;
use crate::actor::engines::kill_ladder::{StopReason, killed};
use crate::actor::engines::output::Output;
use crate::actor::engines::{BYTE_ORDER_MARK, failed, timed_out};
use crate::domain::model::job::{JobError, JobErrorKind, JobResult, ResultKind};
use crate::ports::work_queue::AttemptError;

/// Returns the result of the job, or its error.
pub(super) fn attempt_outcome(
    ended: &Ended,
    timeout: Duration,
    file: &Path,
    limit: usize,
    output: &Output<'_>,
    words: &EndReport,
) -> Result<JobResult, AttemptError> {
    let signal = ended.status.signal();
    let error = match (ended.stop_reason, signal) {
        (StopReason::Overran, _) => JobError { signal, ..timed_out(timeout).error },
        (StopReason::TooMany(most), _) => JobError::new(
            JobErrorKind::LimitExceeded,
            format!("the script had more than the {most} processes that are allowed"),
        ),
        (StopReason::None, None) if ended.status.success() => match written(file, limit) {
            Ok(Some(result)) => return Ok(result),
            Ok(None) => return Ok(JobResult { text: output.printed(), kind: ResultKind::None }),
            Err(error) => error,
        },
        (StopReason::None, _) if words.out_of_memory => JobError {
            signal,
            exit_code: ended.status.code(),
            line: words.line,
            ..JobError::new(
                JobErrorKind::LimitExceeded,
                "the script needs more memory than it may use; see --max-memory",
            )
        },
        (StopReason::None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => killed(signal),
            Err(_) => {
                JobError::new(JobErrorKind::EngineCrash, format!("the script was ended by signal {number}"))
            }
        },
        (StopReason::None, None) => {
            let exit_code = ended.status.code().unwrap_or(-1);
            let message =
                words.message.clone().unwrap_or_else(|| format!("the script exited with code {exit_code}"));
            JobError {
                exit_code: Some(exit_code),
                line: words.line,
                ..JobError::new(JobErrorKind::ScriptError, message)
            }
        }
    };
    Err(failed(JobError { log_tail: output.tail(), ..error }))
}

/// Reads the result that the script has written: a string is text, null is none, everything else JSON.
fn written(file: &Path, limit: usize) -> Result<Option<JobResult>, JobError> {
    let wrong =
        |what: &str| JobError::new(JobErrorKind::ScriptError, format!("the file HERO_RESULT_FILE {what}"));
    let bytes = match read(file, limit) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&format!("cannot be read: {error}"))),
    };
    let too_large =
        || JobError::new(JobErrorKind::LimitExceeded, format!("the result has more than {limit} bytes"));
    if bytes.len() > limit {
        return Err(too_large());
    }
    let json = str::from_utf8(&bytes).map_err(|error| wrong(&format!("holds no UTF-8: {error}")))?;
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
    let (text, kind) = match serde_json::from_str(json) {
        Ok(Value::Null) => return Ok(None),
        Ok(Value::String(text)) => (text, ResultKind::Text),
        // As it was written: numbers with all their digits, names in their order.
        Ok(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            (compact(json), ResultKind::Json)
        }
        Err(error) => return Err(wrong(&format!("holds no JSON: {error}"))),
    };
    Ok(Some(JobResult { text, kind }))
}

/// Valid JSON without the space between its parts.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        if in_string {
            in_string = escaped || *c != '"';
            escaped = *c == '\\' && !escaped;
            return true;
        }
        in_string = *c == '"';
        !c.is_ascii_whitespace()
    };
    json.chars().filter(keep).collect()
}

/// One byte more than the limit tells that there is more; nothing but a plain file is read.
fn read(file: &Path, limit: usize) -> io::Result<Vec<u8>> {
    // To open a pipe would wait for whoever writes into it.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let plain = |error: io::Error| match error.raw_os_error() == Some(nix::libc::ELOOP) {
        true => io::Error::other("it is no plain file"),
        false => error,
    };
    let file = File::options().read(true).custom_flags(flags.bits()).open(file).map_err(plain)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut bytes = Vec::new();
    file.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_and_names_are_kept_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("result");
        for (json, text) in [
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            (
                "{\"b\": 1.10,\r\n \"a\": [ 1e2, \"x \\\" y\\\\\" ],\t\"a\": null}\n",
                "{\"b\":1.10,\"a\":[1e2,\"x \\\" y\\\\\"],\"a\":null}",
            ),
            ("\u{feff}[ true ]", "[true]"),
        ] {
            std::fs::write(&file, json).unwrap();
            let result = written(&file, 1000).unwrap().unwrap();
            assert_eq!((result.text.as_str(), result.kind), (text, ResultKind::Json));
        }
        std::fs::remove_file(&file).unwrap();
        symlink("/etc/passwd", &file).unwrap();
        assert!(written(&file, 1000).unwrap_err().message.contains("no plain file"));
        std::fs::remove_file(&file).unwrap();
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(written(&file, 1000).unwrap_err().message.contains("no plain file"));
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn what_is_compact_means_the_same(words in prop::collection::vec(any::<String>(), 0..5), number in any::<i64>()) {
            let value = serde_json::json!({"words": words, "number": number, "more": [null, true, {"x": 1.5}]});
            let compacted = compact(&serde_json::to_string_pretty(&value).unwrap());
            prop_assert_eq!(compacted, value.to_string());
        }
    }
}
