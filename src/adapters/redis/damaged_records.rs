//! Records that cannot be read: each is stepped over by itself, counted, and told in the log, but not again and again.

use std::sync::LazyLock;

use crate::error::chain;
use crate::ports::job_queue::QueueError;
use crate::telemetry::metrics::RECORDS_UNREADABLE;
use crate::telemetry::seldom::Seldom;

/// What kinds of records there are, as the metric names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordKind {
    Job,
    Actor,
    Template,
    Settings,
    Health,
    Decision,
    Event,
    Presence,
}

impl RecordKind {
    const COUNT: usize = 8;

    fn word(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Actor => "actor",
            Self::Template => "template",
            Self::Settings => "settings",
            Self::Health => "health",
            Self::Decision => "decision",
            Self::Event => "event",
            Self::Presence => "presence",
        }
    }
}

/// When a damaged record of each kind was last told of.
static LAST_LOGGED: LazyLock<[Seldom; RecordKind::COUNT]> = LazyLock::new(Default::default);

/// Keeps what could be read, and notes what could not.
pub(super) fn keep<T>(kind: RecordKind, read: Result<T, QueueError>) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(error) => {
            note(kind, &chain(&error));
            None
        }
    }
}

/// Notes a record that was stepped over.
pub(super) fn note(kind: RecordKind, why: &str) {
    metrics::counter!(RECORDS_UNREADABLE, "kind" => kind.word()).increment(1);
    if let Some(unsaid) = LAST_LOGGED[kind as usize].turn() {
        let kind = kind.word();
        tracing::warn!(kind, unsaid, "a damaged record is stepped over: {why}");
    }
}
