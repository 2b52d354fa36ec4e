//! Unique keys of jobs, as text: `HELD AFTER_MS ON_CONFLICT KEY`, KEY being that of [`Unique::text`]. The functions read it as well.

use std::time::Duration;

use crate::domain::model::job::{HeldWhile, OnConflict, Unique};

/// Encodes the unique key of a job.
pub(in super::super) fn encode_unique(unique: &Unique) -> String {
    let Unique { held_while, held_after_end, on_conflict, .. } = unique;
    let after = held_after_end.as_millis();
    format!("{} {after} {} {}", held_while.as_str(), on_conflict.as_str(), unique.text())
}

/// Decodes the unique key of a job.
pub(in super::super) fn decode_unique(text: &str) -> Result<Unique, String> {
    let read = || {
        let mut words = text.splitn(5, ' ');
        let held_while = HeldWhile::parse(words.next()?)?;
        let held_after_end = Duration::from_millis(words.next()?.parse().ok()?);
        let on_conflict = OnConflict::parse(words.next()?)?;
        let owner_bytes: usize = words.next()?.parse().ok()?;
        let (owner, key) = words.next()?.split_at_checked(owner_bytes)?;
        let (owner, key) = (owner.to_owned(), key.to_owned());
        Some(Unique { key, held_while, held_after_end, on_conflict, owner })
    };
    read().ok_or_else(|| "is no unique key".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_damaged_key_is_told() {
        for text in ["", "unfinished", "unfinished 0 reject 9 k", "later 0 reject 0 k", "queued x reject 0 k"]
        {
            assert!(decode_unique(text).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn a_key_reads_as_it_was_written(
            key in "\\PC{1,20}",
            owner in "\\PC{0,20}",
            queued in any::<bool>(),
            after in 0_u64..1 << 40,
            mode in 0_usize..5,
        ) {
            let held_while = if queued { HeldWhile::Queued } else { HeldWhile::Unfinished };
            let (held_after_end, on_conflict) = (Duration::from_millis(after), OnConflict::ALL[mode]);
            let unique = Unique { key, held_while, held_after_end, on_conflict, owner };
            prop_assert_eq!(decode_unique(&encode_unique(&unique)), Ok(unique));
        }
    }
}
