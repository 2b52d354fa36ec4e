//! Messages between host and server, and the report at the end of a job.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::domain::model::job::{JobError, JobErrorKind, JobResult, ResultKind};

/// Bytes in front of each message of a job: its kind, and its length.
const HEADER: usize = 5;
/// Bytes of an error: its text, in which JSON may take twelve for a character, and what is around it.
const MAX_ERROR: usize = 256 * 1024;
/// Bytes of the text of an error.
const MAX_ERROR_TEXT: usize = 64 * 1024;
/// Bytes of a progress.
const MAX_PROGRESS: usize = 16 * 1024;

/// A job on its way to the server.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    pub(super) script: &'a str,
    pub(super) heroscript: bool,
    /// JSON text; None for no input.
    pub(super) input: Option<&'a str>,
    pub(super) folder: &'a Path,
    pub(super) env: BTreeMap<String, String>,
    pub(super) cpu: u64,
}

/// Settings that a server needs to start.
#[derive(Debug, Serialize)]
pub(super) struct Start<'a> {
    pub(super) heroscript: &'a str,
    /// Names and texts of the modules of the server; each sees those before it.
    pub(super) parts: &'a [(&'a str, &'a str)],
    pub(super) settings: Settings<'a>,
}

/// Limits that are the same for all jobs, in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Settings<'a> {
    pub(super) memory: u64,
    pub(super) file: u64,
    pub(super) files: u64,
    pub(super) result: usize,
    pub(super) handlers: Vec<&'a Path>,
    /// Scripts get no privileges from whom they run as, root included.
    pub(super) confined: bool,
    /// Limits of the process that jobs share; None if each has its own.
    pub(super) shared: Option<Shared>,
}

/// Limits of a process that jobs share: after so many jobs, and with so many bytes that they have left, it is replaced.
#[derive(Debug, Serialize)]
pub(super) struct Shared {
    pub(super) jobs: u64,
    pub(super) memory: u64,
}

/// First message of a server, sent once it can take jobs.
#[derive(Debug, Deserialize)]
pub(super) struct Hello {
    pub(super) version: String,
    /// Processes that jobs leave behind come to the server, which ends them, and not to the host.
    pub(super) adopts: bool,
}

/// A message of a job.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Progress { percent: Option<f64>, message: String },
    Result(JobResult),
    Error(JobError),
}

/// A job that has written something else into the pipe of its result.
#[derive(Debug, PartialEq)]
pub(super) struct Rubbish;

#[derive(Deserialize)]
struct Progress {
    percent: Option<f64>,
    message: String,
}

#[derive(Deserialize)]
struct Failure {
    kind: String,
    message: String,
    line: Option<u32>,
    column: Option<u32>,
    exit_code: Option<i32>,
}

/// The first whole message in `bytes` and how many of them it takes; `result` is the limit of the text of a result.
pub(super) fn first(bytes: &[u8], result: usize) -> Result<Option<(Message, usize)>, Rubbish> {
    let Some((&[kind, a, b, c, d], rest)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let longest = match kind {
        b'P' => MAX_PROGRESS,
        // One byte says of which kind it is.
        b'R' => result.saturating_add(1),
        b'E' => MAX_ERROR,
        _ => return Err(Rubbish),
    };
    if length > longest {
        return Err(Rubbish);
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let message = match kind {
        b'P' => progress(body),
        b'R' => self::result(body, result),
        _ => failure(body),
    };
    message.ok_or(Rubbish).map(|message| Some((message, HEADER + length)))
}

fn progress(body: &[u8]) -> Option<Message> {
    let Progress { percent, message } = serde_json::from_slice(body).ok()?;
    Some(Message::Progress { percent, message })
}

fn result(body: &[u8], limit: usize) -> Option<Message> {
    let (kind, text) = body.split_first()?;
    // Bytes that are no UTF-8 are replaced by longer ones.
    let text = Some(String::from_utf8_lossy(text)).filter(|text| text.len() <= limit)?;
    let kind = match kind {
        b'T' => ResultKind::Text,
        b'J' => serde_json::from_str::<IgnoredAny>(&text).ok().map(|_| ResultKind::Json)?,
        b'N' if text.is_empty() => ResultKind::None,
        _ => return None,
    };
    Some(Message::Result(JobResult { text: text.into_owned(), kind }))
}

fn failure(body: &[u8]) -> Option<Message> {
    let Failure { kind, mut message, line, column, exit_code } = serde_json::from_slice(body).ok()?;
    let kind = JobErrorKind::parse(&kind)?;
    message.truncate(message.floor_char_boundary(MAX_ERROR_TEXT));
    Some(Message::Error(JobError { line, column, exit_code, ..JobError::new(kind, message) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_or_not_yet_and_rubbish_is_told() {
        let mut bytes = Vec::new();
        for part in [&b"R"[..], &3u32.to_le_bytes(), b"J4"] {
            bytes.extend_from_slice(part);
            assert_eq!(first(&bytes, 100), Ok(None));
        }
        bytes.extend_from_slice(b"2P");
        let result = JobResult { text: "42".to_owned(), kind: ResultKind::Json };
        assert_eq!(first(&bytes, 100), Ok(Some((Message::Result(result), 8))));
        for rubbish in [&b"X\0\0\0\0"[..], b"R\xff\xff\xff\xff", b"P\x01\0\0\0{", b"R\x01\0\0\0?"] {
            assert_eq!(first(rubbish, 100), Err(Rubbish), "{rubbish:?}");
        }
    }

    fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&[kind][..], &length, body].concat()
    }

    #[test]
    fn a_result_keeps_its_limit_however_it_was_written() {
        let text = |length: usize| framed(b'R', &[&b"T"[..], &vec![b'x'; length]].concat());
        assert!(matches!(first(&text(100), 100), Ok(Some((Message::Result(_), 106)))));
        assert_eq!(first(&text(101), 100), Err(Rubbish));
        // Forty bytes that become a hundred and twenty.
        assert_eq!(first(&framed(b'R', &[&b"T"[..], &[0xff; 40]].concat()), 100), Err(Rubbish));
        let long = format!("{{\"kind\":\"script_error\",\"message\":\"{}\"}}", "é".repeat(100_000));
        let Ok(Some((Message::Error(error), _))) = first(&framed(b'E', long.as_bytes()), 100) else {
            panic!("an error was expected");
        };
        assert_eq!(error.message.len(), MAX_ERROR_TEXT);
        assert_eq!(first(&framed(b'E', &vec![b' '; MAX_ERROR + 1]), 1 << 20), Err(Rubbish));
    }

    #[test]
    fn what_is_said_to_be_json_is_json() {
        let deep = format!("J{}{}", "[".repeat(5000), "]".repeat(5000));
        for good in ["J42", "J{\"a\":[1,null,\"\\\\udcff\"]}", deep.as_str()] {
            let first = first(&framed(b'R', good.as_bytes()), 1 << 20);
            assert!(matches!(first, Ok(Some((Message::Result(_), _)))), "{good}: {first:?}");
        }
        for rubbish in ["J", "J{not json", "J1 2", "Jnan", "N1"] {
            assert_eq!(first(&framed(b'R', rubbish.as_bytes()), 1 << 20), Err(Rubbish), "{rubbish}");
        }
    }
}
