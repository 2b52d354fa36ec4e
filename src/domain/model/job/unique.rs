//! Unique keys: at most one job of a key at a time, and what becomes of a further one.

mod decide;

use std::time::Duration;

use crate::domain::model::text::has_hidden;
use crate::domain::model::violation::Violations;

pub use decide::{Conflict, KeyHolder, Reservation, decide};

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;

/// Time for which a job holds its key, as far as its state tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeldWhile {
    /// Until an actor takes the job.
    Queued,
    /// Until the job ends.
    #[default]
    Unfinished,
}

impl HeldWhile {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Queued, Self::Unfinished];

    /// The word used in records and in the CLI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Unfinished => "unfinished",
        }
    }

    /// The value with this word.
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.as_str() == raw)
    }
}

/// Fate of a job whose key another one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// The job that holds the key is the answer.
    #[default]
    ReturnExisting,
    /// The new job is refused.
    Reject,
    /// The job of the key that waits is cancelled, and the new one takes its place; beside one that has begun it is refused.
    Replace,
    /// One job waits behind the one that has begun, and is the answer to all further ones.
    RunOnceMore,
    /// The jobs of the key are cancelled, and the new one begins after their end.
    CancelRunning,
}

impl OnConflict {
    /// Every value.
    pub const ALL: [Self; 5] =
        [Self::ReturnExisting, Self::Reject, Self::Replace, Self::RunOnceMore, Self::CancelRunning];

    /// The word used in records and in the CLI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReturnExisting => "return_existing",
            Self::Reject => "reject",
            Self::Replace => "replace",
            Self::RunOnceMore => "run_once_more",
            Self::CancelRunning => "cancel_running",
        }
    }

    /// The value with this word.
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.as_str() == raw)
    }

    /// Returns true if the new job may have to wait for the end of another one.
    fn waits_for_another(self) -> bool {
        match self {
            Self::RunOnceMore | Self::CancelRunning => true,
            Self::ReturnExisting | Self::Reject | Self::Replace => false,
        }
    }
}

/// The key of a job in its queue, and how it is held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unique {
    /// The key, 1 to [`MAX_KEY_BYTES`] bytes.
    pub key: String,
    /// Time for which the job holds the key.
    pub held_while: HeldWhile,
    /// Time after its end for which it holds the key as well; not if it was cancelled. At most the time for which it is kept.
    pub held_after_end: Duration,
    /// Fate of the job while another one holds the key.
    pub on_conflict: OnConflict,
    /// Callers that share the key; empty for those who see all jobs. The same key of other callers is another one.
    pub owner: String,
}

impl Unique {
    /// A key with all defaults.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), ..Self::default() }
    }

    /// Returns the owner of the keys of a caller who sees only the jobs of its scopes.
    pub fn owner_of(caller_id: &str, context_id: &str) -> String {
        format!("{} {caller_id}{context_id}", caller_id.len())
    }

    /// Returns the text that is the same for the same keys of the same callers only.
    pub fn text(&self) -> String {
        format!("{} {}{}", self.owner.len(), self.owner, self.key)
    }

    /// Notes what of the fields is not allowed, for a job that is kept so long after its end.
    pub(super) fn check(&self, result_ttl: Duration, violations: &mut Violations) {
        if self.key.is_empty() {
            violations
                .add("unique.key", "is empty: name what there shall be one job of, or leave unique out");
        } else if self.key.len() > MAX_KEY_BYTES {
            let bytes = self.key.len();
            violations.add(
                "unique.key",
                format!("has {bytes} bytes, more than {MAX_KEY_BYTES}: use a digest of a longer text"),
            );
        } else if has_hidden(&self.key) {
            violations.add("unique.key", "has a control character, or another one that does not show");
        }
        if self.held_after_end > result_ttl {
            violations.add(
                "unique.held_after_end",
                format!(
                    "is {:?}, longer than the {result_ttl:?} for which the job is kept: shorten it, or raise result_ttl",
                    self.held_after_end
                ),
            );
        }
        if self.held_while == HeldWhile::Queued {
            if !self.held_after_end.is_zero() {
                let told = "is set, and held_while is QUEUED, which ends before: leave one of them out";
                violations.add("unique.held_after_end", told);
            }
            if self.on_conflict.waits_for_another() {
                let told = format!(
                    "is {}, which waits for the end of another job, and held_while is QUEUED: use UNFINISHED",
                    self.on_conflict.as_str().to_uppercase()
                );
                violations.add("unique.on_conflict", told);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(unique: Unique) -> String {
        let mut found = Violations::new();
        unique.check(Duration::from_secs(60), &mut found);
        found.into_result().err().map(|found| found.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_field() {
        assert_eq!(violations(Unique::new("report")), "");
        assert_eq!(violations(Unique::new("é".repeat(128))), "");
        assert!(violations(Unique::new("")).contains("unique.key: is empty"));
        assert!(violations(Unique::new("é".repeat(129))).contains("unique.key: has 258 bytes"));
        assert!(violations(Unique::new("a\nb")).contains("unique.key: has a control character"));
        let long = Unique { held_after_end: Duration::from_secs(61), ..Unique::new("k") };
        assert!(violations(long).contains("unique.held_after_end: is 61s, longer than the 60s"));
        let queued = Unique { held_while: HeldWhile::Queued, ..Unique::new("k") };
        assert_eq!(violations(queued.clone()), "");
        let after = Unique { held_after_end: Duration::from_secs(1), ..queued.clone() };
        assert!(violations(after).contains("unique.held_after_end: is set"));
        for (on_conflict, allowed) in [
            (OnConflict::ReturnExisting, true),
            (OnConflict::Reject, true),
            (OnConflict::Replace, true),
            (OnConflict::RunOnceMore, false),
            (OnConflict::CancelRunning, false),
        ] {
            let found = violations(Unique { on_conflict, ..queued.clone() });
            assert_eq!(found.is_empty(), allowed, "{on_conflict:?}: {found}");
        }
    }

    #[test]
    fn no_two_keys_of_different_callers_are_the_same() {
        let text = |owner: &str, key: &str| Unique { owner: owner.to_owned(), ..Unique::new(key) }.text();
        assert_eq!(text("", "k"), "0 k");
        assert_eq!(text("alice", "k"), "5 alicek");
        assert_ne!(text("a", "bk"), text("ab", "k"));
        assert_ne!(text("", "5 alicek"), text("alice", "k"));
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for value in HeldWhile::ALL {
            assert_eq!(HeldWhile::parse(value.as_str()), Some(value));
        }
        for value in OnConflict::ALL {
            assert_eq!(OnConflict::parse(value.as_str()), Some(value));
        }
        assert_eq!(OnConflict::parse("other"), None);
    }
}
