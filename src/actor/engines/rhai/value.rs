//! Conversion of a Rhai value to the text of a result.

use std::io;

use rhai::{Array, Dynamic, Map};

use crate::domain::model::job::{JobError, JobErrorKind, JobResult, ResultKind};

/// A value that JSON cannot represent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::actor::engines) enum Unfit {
    /// A number that is infinite, or none at all.
    NotFinite,
    /// More arrays and maps in each other than are allowed.
    TooDeep,
}

/// Looks for what JSON does not take in a value and all that is in it, through at most `levels` of arrays and maps.
///
/// # Errors
/// What was found first.
pub(in crate::actor::engines) fn check(value: &Dynamic, levels: usize) -> Result<(), Unfit> {
    if let Ok(number) = value.as_float() {
        return if number.is_finite() { Ok(()) } else { Err(Unfit::NotFinite) };
    }
    let below = || levels.checked_sub(1).ok_or(Unfit::TooDeep);
    if let Some(array) = value.read_lock::<Array>() {
        let levels = below()?;
        return array.iter().try_for_each(|value| check(value, levels));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let levels = below()?;
        return map.values().try_for_each(|value| check(value, levels));
    }
    Ok(())
}

/// Arrays and maps in each other that a result may have.
const MAX_LEVELS: usize = 1000;

/// The result that a value stands for; none for `()`. A number that JSON does not have makes all of it a text, as it is
/// printed.
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
    let fits = match check(&value, MAX_LEVELS) {
        Ok(()) => true,
        Err(Unfit::NotFinite) => false,
        Err(Unfit::TooDeep) => return Err(too_deep()),
    };
    if fits && (has_json || value.is_bool()) {
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

fn too_deep() -> JobError {
    let message = format!("the result has more than {MAX_LEVELS} arrays and maps in each other");
    JobError::new(JobErrorKind::LimitExceeded, message)
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
