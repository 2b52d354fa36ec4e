//! The unique key of a job as flags.

use std::time::Duration;

use clap::Args;

use crate::cli::values::{span, to_proto, word};
use crate::proto::{UniqueKey, unique_key};

/// The key of which there is one job at a time.
#[derive(Debug, Clone, Args)]
pub(super) struct UniqueArgs {
    /// Unique key: of all jobs of the queue with this key there is one at a time
    #[arg(long = "unique", value_name = "KEY")]
    key: Option<String>,
    /// Time for which the job holds its key: queued or unfinished [default: unfinished]
    #[arg(long, value_name = "WHILE", requires = "key", value_parser = held_while)]
    unique_while: Option<unique_key::HeldWhile>,
    /// Time for which the job holds its key after its end as well [default: 0s]
    #[arg(long, value_name = "TIME", requires = "key", value_parser = span)]
    unique_after_end: Option<Duration>,
    /// If another job holds the key: return_existing, reject, replace, run_once_more or cancel_running [default:
    /// return_existing]
    #[arg(long, value_name = "WHAT", requires = "key", value_parser = on_conflict)]
    on_conflict: Option<unique_key::OnConflict>,
}

impl UniqueArgs {
    /// Makes the key; None without one.
    pub(super) fn into_key(self) -> Option<UniqueKey> {
        Some(UniqueKey {
            key: self.key?,
            held_while: self.unique_while.unwrap_or_default().into(),
            held_after_end: self.unique_after_end.and_then(to_proto),
            on_conflict: self.on_conflict.unwrap_or_default().into(),
        })
    }
}

/// Renders the key of a job: the key, and all that is not the default.
pub(super) fn describe(unique: &UniqueKey) -> String {
    let mut text = unique.key.clone();
    if unique.held_while() == unique_key::HeldWhile::Queued {
        text.push_str(", while queued");
    }
    if let Some(after) = &unique.held_after_end {
        text.push_str(&format!(", {} after the end", crate::cli::values::brief(Some(*after))));
    }
    let on_conflict = unique.on_conflict();
    if !matches!(on_conflict, unique_key::OnConflict::Unspecified | unique_key::OnConflict::ReturnExisting) {
        text.push_str(&format!(", {}", word(on_conflict.as_str_name(), "ON_CONFLICT_")));
    }
    text
}

fn held_while(raw: &str) -> Result<unique_key::HeldWhile, String> {
    use unique_key::HeldWhile::{Queued, Unfinished};
    let named = |value: &unique_key::HeldWhile| is_named(value.as_str_name(), "HELD_WHILE_", raw);
    [Queued, Unfinished]
        .into_iter()
        .find(named)
        .ok_or_else(|| format!("{raw:?} is no such time: use queued or unfinished"))
}

fn on_conflict(raw: &str) -> Result<unique_key::OnConflict, String> {
    use unique_key::OnConflict::{CancelRunning, Reject, Replace, ReturnExisting, RunOnceMore};
    let all = [ReturnExisting, Reject, Replace, RunOnceMore, CancelRunning];
    let named = |value: &unique_key::OnConflict| is_named(value.as_str_name(), "ON_CONFLICT_", raw);
    all.into_iter().find(named).ok_or_else(|| {
        let names = all.map(|value| word(value.as_str_name(), "ON_CONFLICT_"));
        format!("{raw:?} is nothing that can be done: use {}", names.join(", "))
    })
}

/// Returns true if a value has this name, with hyphens or underscores.
fn is_named(value: &str, prefix: &str, raw: &str) -> bool {
    word(value, prefix).eq_ignore_ascii_case(&raw.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_api() {
        assert_eq!(on_conflict("run-once-more"), Ok(unique_key::OnConflict::RunOnceMore));
        assert_eq!(on_conflict("cancel_running"), Ok(unique_key::OnConflict::CancelRunning));
        assert_eq!(held_while("queued"), Ok(unique_key::HeldWhile::Queued));
        let told = on_conflict("unspecified").unwrap_err();
        assert!(
            told.ends_with("use return_existing, reject, replace, run_once_more, cancel_running"),
            "{told}"
        );
        assert!(held_while("unspecified").is_err());
    }
}
