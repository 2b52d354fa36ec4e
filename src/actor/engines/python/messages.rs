//! What host and server say to each other, and what a job says at its end.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::job::{JobError, JobErrorKind, JobResult, ResultKind};

/// Bytes in front of each message of a job: its kind, and its length.
const HEADER: usize = 5;

/// A job on its way to the server.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    pub(super) script: &'a str,
    pub(super) heroscript: bool,
    pub(super) folder: &'a Path,
    pub(super) env: BTreeMap<String, String>,
    pub(super) cpu: u64,
}

/// What a server needs to start.
#[derive(Debug, Serialize)]
pub(super) struct Start<'a> {
    pub(super) server: &'a str,
    pub(super) heroscript: &'a str,
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
}

/// What a server says once it can take jobs.
#[derive(Debug, Deserialize)]
pub(super) struct Hello {
    pub(super) version: String,
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

/// Takes the first whole message out of `bytes`; `longest` is the limit of its length.
pub(super) fn take(bytes: &mut Vec<u8>, longest: usize) -> Result<Option<Message>, Rubbish> {
    let Some((&[kind, a, b, c, d], rest)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > longest || !b"PRE".contains(&kind) {
        return Err(Rubbish);
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let message = match kind {
        b'P' => progress(body),
        b'R' => result(body),
        _ => failure(body),
    };
    bytes.drain(..HEADER + length);
    message.ok_or(Rubbish).map(Some)
}

fn progress(body: &[u8]) -> Option<Message> {
    let Progress { percent, message } = serde_json::from_slice(body).ok()?;
    Some(Message::Progress { percent, message })
}

fn result(body: &[u8]) -> Option<Message> {
    let (kind, text) = body.split_first()?;
    let kind = match kind {
        b'T' => ResultKind::Text,
        b'J' => ResultKind::Json,
        b'N' => ResultKind::None,
        _ => return None,
    };
    Some(Message::Result(JobResult { text: String::from_utf8_lossy(text).into_owned(), kind }))
}

fn failure(body: &[u8]) -> Option<Message> {
    let Failure { kind, message, line, column, exit_code } = serde_json::from_slice(body).ok()?;
    let kind = JobErrorKind::parse(&kind)?;
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
            assert_eq!(take(&mut bytes, 100), Ok(None));
        }
        bytes.extend_from_slice(b"2P");
        let result = JobResult { text: "42".to_owned(), kind: ResultKind::Json };
        assert_eq!(take(&mut bytes, 100), Ok(Some(Message::Result(result))));
        assert_eq!(bytes, b"P");
        for rubbish in [&b"X\0\0\0\0"[..], b"R\xff\xff\xff\xff", b"P\x01\0\0\0{", b"R\x01\0\0\0?"] {
            assert_eq!(take(&mut rubbish.to_vec(), 100), Err(Rubbish), "{rubbish:?}");
        }
    }
}
