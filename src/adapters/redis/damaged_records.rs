//! Damaged records: each is passed over by itself, counted, and logged at a limited rate.

use std::sync::LazyLock;

use crate::error::chain;
use crate::ports::store_fault::StoreFault;
use crate::telemetry::log_limiter::LogLimiter;
use crate::telemetry::metrics::RECORDS_UNREADABLE;

/// Kind of a record, as the metric names it.
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
    Queue,
}

impl RecordKind {
    const ALL: [Self; 9] = [
        Self::Job,
        Self::Actor,
        Self::Template,
        Self::Settings,
        Self::Health,
        Self::Decision,
        Self::Event,
        Self::Presence,
        Self::Queue,
    ];

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
            Self::Queue => "queue",
        }
    }
}

/// Limit of the log, for each kind of damaged record.
static LAST_LOGGED: LazyLock<[LogLimiter; RecordKind::ALL.len()]> = LazyLock::new(Default::default);

/// Makes the series of damaged records, which are there at 0 before there is one: a rate needs a first value.
pub fn begin_to_count() {
    for kind in RecordKind::ALL {
        metrics::counter!(RECORDS_UNREADABLE, "kind" => kind.word()).increment(0);
    }
}

/// Returns a record that could be read, and notes one that could not.
pub(super) fn keep<T>(kind: RecordKind, read: Result<T, StoreFault>) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(error) => {
            note(kind, &chain(&error));
            None
        }
    }
}

/// Notes an error of a queue if it is that one of its keys is damaged.
pub(super) fn note_queue(error: &StoreFault) {
    if matches!(error, StoreFault::Corrupt { .. }) {
        note(RecordKind::Queue, &chain(error));
    }
}

/// Counts and logs a record that is passed over.
pub(super) fn note(kind: RecordKind, why: &str) {
    metrics::counter!(RECORDS_UNREADABLE, "kind" => kind.word()).increment(1);
    if let Some(suppressed) = LAST_LOGGED[kind as usize].due() {
        let kind = kind.word();
        tracing::warn!(kind, suppressed, "damaged record: passed over ({why})");
    }
}
