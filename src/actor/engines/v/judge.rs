//! What a program that has ended amounts to.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::run::Ended;
use crate::actor::engines::ladder::{Verdict, killed};
use crate::actor::engines::output::Output;
use crate::actor::engines::{failed, timed_out};
use crate::domain::job::{JobError, JobErrorKind, JobResult, ResultKind};
use crate::ports::work_queue::AttemptError;

/// Its result, or how it failed.
pub(super) fn judge(
    ended: &Ended,
    timeout: Duration,
    file: &Path,
    limit: usize,
    output: &Output<'_>,
) -> Result<JobResult, AttemptError> {
    let signal = ended.status.signal();
    let error = match (ended.verdict, signal) {
        (Verdict::Overran, _) => JobError { signal, ..timed_out(timeout).error },
        (Verdict::TooMany(most), _) => JobError::new(
            JobErrorKind::LimitExceeded,
            format!("the script had more than the {most} processes that are allowed"),
        ),
        (Verdict::None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => killed(signal),
            Err(_) => {
                JobError::new(JobErrorKind::EngineCrash, format!("the script was ended by signal {number}"))
            }
        },
        (Verdict::None, None) if ended.status.success() => match written(file, limit) {
            Ok(Some(result)) => return Ok(result),
            Ok(None) => return Ok(JobResult { text: output.printed(), kind: ResultKind::None }),
            Err(error) => error,
        },
        (Verdict::None, None) => {
            let exit_code = ended.status.code().unwrap_or(-1);
            // V says why on a line of its own, and a backtrace behind it.
            let panic = output.tail().into_iter().rfind(|line| line.starts_with("V panic: "));
            let message = panic.unwrap_or_else(|| format!("the script exited with code {exit_code}"));
            JobError { exit_code: Some(exit_code), ..JobError::new(JobErrorKind::ScriptError, message) }
        }
    };
    Err(failed(JobError { log_tail: output.tail(), ..error }))
}

/// What the script has written as its result: a string is text, null is none, everything else JSON.
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
    let (text, kind) = match serde_json::from_slice(&bytes) {
        Ok(Value::Null) => return Ok(None),
        Ok(Value::String(text)) => (text, ResultKind::Text),
        Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            (value.to_string(), ResultKind::Json)
        }
        Err(error) => return Err(wrong(&format!("holds no JSON: {error}"))),
    };
    if text.len() > limit { Err(too_large()) } else { Ok(Some(JobResult { text, kind })) }
}

/// One byte more than the limit tells that there is more; nothing but a plain file is opened.
fn read(file: &Path, limit: usize) -> io::Result<Vec<u8>> {
    if !fs::symlink_metadata(file)?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut bytes = Vec::new();
    File::open(file)?.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
