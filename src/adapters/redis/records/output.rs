//! Output in streams, and progress in records.

use serde::Deserialize;

use super::{Fields, time_of};
use crate::domain::model::output::LogStream;
use crate::domain::model::output::{OutputChunk, OutputItem, OutputMark, Progress, StoredChunk};
use crate::ports::store_fault::StoreFault;

#[derive(Deserialize)]
struct ProgressRecord {
    at: i64,
    percent: Option<f64>,
    message: String,
}

/// Decodes the progress of a job; None when its script has reported none.
pub(super) fn decode_progress(fields: &Fields) -> Result<Option<Progress>, StoreFault> {
    let Some(json) = fields.get("progress") else { return Ok(None) };
    let record: ProgressRecord =
        serde_json::from_str(json).map_err(|error| fields.corrupt("progress", &error.to_string()))?;
    let ProgressRecord { at, percent, message } = record;
    Ok(Some(Progress { percent, message, at: time_of(at) }))
}

/// Encodes an item of output as a kind and a text.
pub(in super::super) fn encode_output(item: &OutputItem) -> (String, &str) {
    match item {
        OutputItem::Line { stream: LogStream::Stdout, text } => ("out".to_owned(), text),
        OutputItem::Line { stream: LogStream::Stderr, text } => ("err".to_owned(), text),
        OutputItem::Progress { percent: None, message } => ("progress".to_owned(), message),
        OutputItem::Progress { percent: Some(percent), message } => (percent.to_string(), message),
    }
}

/// Decodes an entry of the stream.
pub(in super::super) fn decode_output(mark: String, fields: &Fields) -> Result<StoredChunk, StoreFault> {
    let text = fields.get("m").unwrap_or_default().to_owned();
    let item = match fields.get("s") {
        Some("out") | None => OutputItem::Line { stream: LogStream::Stdout, text },
        Some("err") => OutputItem::Line { stream: LogStream::Stderr, text },
        Some(kind) => OutputItem::Progress {
            percent: kind.parse().ok().filter(|percent: &f64| percent.is_finite()),
            message: text,
        },
    };
    let at = time_of(fields.number("t")?.unwrap_or(0));
    let chunk = OutputChunk { number: fields.number("n")?.unwrap_or(0), at, item };
    Ok(StoredChunk { mark: OutputMark(mark), attempt: fields.number("a")?.unwrap_or(1), chunk })
}
