//! From a Rhai value to the text of a result.

use std::io;

use rhai::Dynamic;

use crate::domain::job::{JobError, JobErrorKind, JobResult, ResultKind};

/// The result that a value stands for; none for `()`.
///
/// # Errors
/// When its text is longer than `limit` bytes.
pub(super) fn render(value: Dynamic, limit: usize) -> Result<Option<JobResult>, JobError> {
    let value = value.flatten();
    if value.is_unit() {
        return Ok(None);
    }
    // Ranges, timestamps and function pointers have no JSON; a character is a short string to whoever reads it.
    let has_json =
        value.is_array() || value.is_map() || value.is_blob() || value.is_int() || value.is_float();
    if has_json || value.is_bool() {
        let mut text = Limited { bytes: Vec::new(), limit };
        serde_json::to_writer(&mut text, &value).map_err(|error| match error.is_io() {
            true => too_long(limit),
            false => {
                JobError::new(JobErrorKind::ScriptError, format!("the result has no JSON form: {error}"))
            }
        })?;
        let text = String::from_utf8_lossy(&text.bytes).into_owned();
        return Ok(Some(JobResult { text, kind: ResultKind::Json }));
    }
    let text = match value.is_string() {
        true => value.into_string().unwrap_or_default(),
        false => value.to_string(),
    };
    if text.len() > limit {
        return Err(too_long(limit));
    }
    Ok(Some(JobResult { text, kind: ResultKind::Text }))
}

fn too_long(limit: usize) -> JobError {
    let message =
        format!("the result is longer than the {limit} bytes that are allowed: store it and return its name");
    JobError::new(JobErrorKind::LimitExceeded, message)
}

/// Bytes up to a limit; writing more is an error.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
