//! How what scripts say stands in streams, and how far they are in records.

use serde::Deserialize;

use super::{Fields, time_of};
use crate::domain::model::output::LogStream;
use crate::domain::model::output::{Kept, OutputMark, Progress, Said, Utterance};
use crate::ports::job_queue::QueueError;

#[derive(Deserialize)]
struct ProgressRecord {
    at: i64,
    percent: Option<f64>,
    message: String,
}

/// How far a job is; None when its script has not said.
pub(super) fn decode_progress(fields: &Fields) -> Result<Option<Progress>, QueueError> {
    let Some(json) = fields.get("progress") else { return Ok(None) };
    let record: ProgressRecord =
        serde_json::from_str(json).map_err(|error| fields.corrupt("progress", &error.to_string()))?;
    let ProgressRecord { at, percent, message } = record;
    Ok(Some(Progress { percent, message, at: time_of(at) }))
}

/// The kind of an utterance in one word, and its text.
pub(in super::super) fn encode_output(said: &Said) -> (String, &str) {
    match said {
        Said::Line { stream: LogStream::Stdout, text } => ("out".to_owned(), text),
        Said::Line { stream: LogStream::Stderr, text } => ("err".to_owned(), text),
        Said::Progress { percent: None, message } => ("progress".to_owned(), message),
        Said::Progress { percent: Some(percent), message } => (percent.to_string(), message),
    }
}

/// An entry of the stream.
pub(in super::super) fn decode_output(mark: String, fields: &Fields) -> Result<Kept, QueueError> {
    let text = fields.get("m").unwrap_or_default().to_owned();
    let said = match fields.get("s") {
        Some("out") | None => Said::Line { stream: LogStream::Stdout, text },
        Some("err") => Said::Line { stream: LogStream::Stderr, text },
        Some(kind) => Said::Progress { percent: kind.parse().ok(), message: text },
    };
    let at = time_of(fields.number("t")?.unwrap_or(0));
    let utterance = Utterance { number: fields.number("n")?.unwrap_or(0), at, said };
    Ok(Kept { mark: OutputMark(mark), attempt: fields.number("a")?.unwrap_or(1), utterance })
}
