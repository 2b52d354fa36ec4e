//! Output in streams, and progress in records.

use std::str::FromStr;

use serde::Deserialize;

use super::{Fields, time_of};
use crate::domain::model::output::LogStream;
use crate::domain::model::output::{OutputChunk, OutputItem, OutputMark, Progress, StoredChunk};
use crate::ports::store_fault::StoreFault;

/// Begin of the marks of output in a record, which stand before those of the stream.
const IN_RECORD: &str = "0-";

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

/// Returns the number of lines in the record of a job that a mark is behind; None for a mark in the stream.
pub(in super::super) fn seen_in_record(mark: &OutputMark) -> Option<usize> {
    match mark.0.as_str() {
        "" => Some(0),
        mark => mark.strip_prefix(IN_RECORD)?.parse().ok(),
    }
}

/// Decodes the output that stands in the record of a job. Behind something else than output nothing can be understood.
pub(in super::super) fn decode_record_output(log: &[u8]) -> Vec<StoredChunk> {
    let Some((attempt, mut rest)) = line(log) else { return Vec::new() };
    let Some(attempt) = number(attempt) else { return Vec::new() };
    let mut chunks = Vec::new();
    while let Some((chunk, behind)) = first_chunk(rest) {
        let mark = OutputMark(format!("{IN_RECORD}{}", chunks.len() + 1));
        chunks.push(StoredChunk { mark, attempt, chunk });
        rest = behind.strip_prefix(b"\n").unwrap_or_default();
    }
    chunks
}

/// `number milliseconds kind bytes`, a line feed, and the text; and what is behind it.
fn first_chunk(packed: &[u8]) -> Option<(OutputChunk, &[u8])> {
    let (head, rest) = line(packed)?;
    let mut words = head.split(|byte| *byte == b' ');
    let (place, at) = (number(words.next()?)?, number(words.next()?)?);
    let stream = match words.next()? {
        b"out" => LogStream::Stdout,
        b"err" => LogStream::Stderr,
        _other => return None,
    };
    let (text, behind) = rest.split_at_checked(number(words.next()?)?)?;
    let item = OutputItem::Line { stream, text: String::from_utf8_lossy(text).into_owned() };
    Some((OutputChunk { number: place, at: time_of(at), item }, behind))
}

/// Splits off the first line.
fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

fn number<N: FromStr>(text: &[u8]) -> Option<N> {
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(log: &str) -> Vec<(String, u64, String)> {
        let chunks = decode_record_output(log.as_bytes()).into_iter();
        let text = |item| match item {
            OutputItem::Line { stream, text } => format!("{stream:?} {text}"),
            OutputItem::Progress { .. } => String::new(),
        };
        chunks.map(|stored| (stored.mark.0, stored.chunk.number, text(stored.chunk.item))).collect()
    }

    #[test]
    fn output_in_a_record_is_read_line_by_line() {
        let log = "1\n1 1700000000000 out 5\nhello\n3 1700000000001 err 3\na\nb\n4 1700000000002 out 0\n";
        let own = |text: &str| text.to_owned();
        assert_eq!(
            texts(log),
            [
                (own("0-1"), 1, own("Stdout hello")),
                (own("0-2"), 3, own("Stderr a\nb")),
                (own("0-3"), 4, own("Stdout "))
            ]
        );
        for (damaged, kept) in [
            ("", 0),
            ("x\n1 2 out 1\na", 0),
            ("1\n1 2 out 9\nshort", 0),
            ("1\n1 2 out 1\na\nx", 1),
            ("1\n1 2 50 1\na", 0),
            ("1\n1 2 out 1\né", 1),
        ] {
            assert_eq!(decode_record_output(damaged.as_bytes()).len(), kept, "{damaged:?}");
        }
    }

    #[test]
    fn marks_say_where_output_goes_on() {
        let mark = |text: &str| seen_in_record(&OutputMark(text.to_owned()));
        assert_eq!(mark(""), Some(0));
        assert_eq!(mark("0-16"), Some(16));
        assert_eq!(mark("1700000000000-0"), None);
        assert_eq!(mark("12"), None);
    }
}
