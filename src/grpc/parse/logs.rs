//! StreamActorLogs requests.

use crate::domain::actors::LogQuery;
use crate::domain::model::id::ActorId;
use crate::domain::model::output::LogStream;
use crate::domain::model::violation::Violations;
use crate::grpc::parse::value::{each, optional, timestamp, unknown};
use crate::ports::process_manager::LogPosition;
use crate::proto as pb;

/// Default number of lines to begin with.
const DEFAULT_TAIL: usize = 100;
/// Most lines to begin with.
pub(crate) const MAX_TAIL: i32 = 10_000;
/// Longest text to search for, in bytes.
const MAX_CONTAINS: usize = 1024;

/// Parses a StreamActorLogs request: the actor and the query.
pub(crate) fn actor_logs(request: pb::StreamActorLogsRequest) -> Result<(ActorId, LogQuery), Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let id = v.keep("actor_id", ActorId::parse(&request.actor_id));
    let tail = optional(v, "tail_lines", request.tail_lines, tail).unwrap_or(DEFAULT_TAIL);
    let since = optional(v, "since_time", request.since_time, timestamp);
    let after = match request.resume_after.as_str() {
        "" => None,
        cursor => v.keep("resume_after", position(cursor)),
    };
    let mut streams = each(v, "streams", request.streams, stream);
    streams.dedup();
    if request.contains.len() > MAX_CONTAINS {
        v.add("contains", format!("has more than {MAX_CONTAINS} bytes"));
    }
    let stream = match streams.as_slice() {
        [one] => Some(*one),
        _none_or_both => None,
    };
    let query = LogQuery { tail, since, after, follow: request.follow, stream, contains: request.contains };
    match id {
        Some(id) if violations.is_empty() => Ok((id, query)),
        Some(_) | None => Err(violations),
    }
}

fn tail(raw: i32) -> Result<usize, String> {
    match usize::try_from(raw) {
        Ok(lines) if raw <= MAX_TAIL => Ok(lines),
        Ok(_) | Err(_) => Err(format!("is {raw}: use 0 to {MAX_TAIL}")),
    }
}

fn stream(raw: i32) -> Result<LogStream, String> {
    use pb::log_entry::Stream;
    match Stream::try_from(raw) {
        Ok(Stream::Stdout) => Ok(LogStream::Stdout),
        Ok(Stream::Stderr) => Ok(LogStream::Stderr),
        Ok(Stream::Unspecified) => Err("is not set: use STREAM_STDOUT or STREAM_STDERR".to_owned()),
        Err(_) => Err(unknown(raw, "STREAM_STDOUT or STREAM_STDERR")),
    }
}

/// Encodes a position in a log as a cursor.
pub(crate) fn cursor(position: LogPosition) -> String {
    format!("{:x}.{:x}.{:x}", position.epoch, position.number, position.mark)
}

fn position(cursor: &str) -> Result<LogPosition, String> {
    let refused =
        || "is not a cursor of StreamActorLogs: use the one of an earlier answer as it stands".to_owned();
    let mut numbers = cursor.split('.').map(|part| u64::from_str_radix(part, 16));
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(epoch)), Some(Ok(number)), Some(Ok(mark)), None) => Ok(LogPosition { epoch, number, mark }),
        _other => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_was_written_and_no_other_text_is_one() {
        let place = LogPosition { epoch: u64::MAX, number: 7, mark: 0 };
        assert_eq!(position(&cursor(place)), Ok(place));
        for bad in ["1", "1.2", "1.2.3.4", "x.1.2", "1.2.3 ", "..", "11111111111111111.1.1"] {
            assert!(position(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_violation_is_named() {
        let request = pb::StreamActorLogsRequest {
            actor_id: "Bad".to_owned(),
            tail_lines: Some(10_001),
            resume_after: "x".to_owned(),
            streams: vec![1, 0, 9],
            contains: "x".repeat(2000),
            ..Default::default()
        };
        let violations = actor_logs(request).unwrap_err();
        let fields: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(
            fields,
            ["actor_id", "tail_lines", "resume_after", "streams[1]", "streams[2]", "contains"]
        );
    }

    #[test]
    fn both_outputs_are_the_same_as_none_named() {
        let stream = |streams: &[i32]| {
            let streams = streams.to_vec();
            let request =
                pb::StreamActorLogsRequest { actor_id: "a".to_owned(), streams, ..Default::default() };
            actor_logs(request).unwrap().1.stream
        };
        assert_eq!([stream(&[]), stream(&[1, 2])], [None, None]);
        assert_eq!([stream(&[2]), stream(&[1, 1])], [Some(LogStream::Stderr), Some(LogStream::Stdout)]);
    }
}
