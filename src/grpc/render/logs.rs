//! Log lines of an actor.

use crate::domain::actors::LogPart;
use crate::domain::model::output::LogStream;
use crate::grpc::parse;
use crate::grpc::render::{count, timestamp};
use crate::ports::process_manager::LogLine;
use crate::proto as pb;

/// Renders a part of a log.
pub(crate) fn log_part(part: LogPart) -> pb::StreamActorLogsResponse {
    pb::StreamActorLogsResponse {
        entries: part.lines.into_iter().map(log_entry).collect(),
        dropped_count: count(part.dropped),
        cursor: part.position.map(parse::cursor).unwrap_or_default(),
    }
}

fn log_entry(line: LogLine) -> pb::LogEntry {
    let stream = match line.stream {
        LogStream::Stdout => pb::log_entry::Stream::Stdout,
        LogStream::Stderr => pb::log_entry::Stream::Stderr,
    };
    pb::LogEntry { time: line.at.map(timestamp), stream: stream.into(), text: line.text }
}
