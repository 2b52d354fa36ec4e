//! Unique keys of jobs.

use crate::domain::model::job::{HeldWhile, OnConflict, Unique};
use crate::domain::model::violation::Violations;
use crate::grpc::parse::value::{duration, optional, unknown};
use crate::proto as pb;

/// Parses a unique key, whose owner is noted later.
pub(super) fn unique(given: pb::UniqueKey, violations: &mut Violations) -> Unique {
    let v = violations;
    let pb::UniqueKey { key, held_while, held_after_end, on_conflict } = given;
    Unique {
        key,
        held_while: v.keep("held_while", self::held_while(held_while)).unwrap_or_default(),
        held_after_end: optional(v, "held_after_end", held_after_end, duration).unwrap_or_default(),
        on_conflict: v.keep("on_conflict", self::on_conflict(on_conflict)).unwrap_or_default(),
        owner: String::new(),
    }
}

fn held_while(raw: i32) -> Result<HeldWhile, String> {
    use pb::unique_key::HeldWhile as Raw;
    match Raw::try_from(raw) {
        Ok(Raw::Unspecified | Raw::Unfinished) => Ok(HeldWhile::Unfinished),
        Ok(Raw::Queued) => Ok(HeldWhile::Queued),
        Err(_) => Err(unknown(raw, "one of the values of UniqueKey.HeldWhile")),
    }
}

fn on_conflict(raw: i32) -> Result<OnConflict, String> {
    use pb::unique_key::OnConflict as Raw;
    match Raw::try_from(raw) {
        Ok(Raw::Unspecified | Raw::ReturnExisting) => Ok(OnConflict::ReturnExisting),
        Ok(Raw::Reject) => Ok(OnConflict::Reject),
        Ok(Raw::Replace) => Ok(OnConflict::Replace),
        Ok(Raw::RunOnceMore) => Ok(OnConflict::RunOnceMore),
        Ok(Raw::CancelRunning) => Ok(OnConflict::CancelRunning),
        Err(_) => Err(unknown(raw, "one of the values of UniqueKey.OnConflict")),
    }
}
