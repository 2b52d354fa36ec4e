//! Past attempts in the record of a job.

use serde::Deserialize;

use super::end::ErrorRecord;
use super::{Fields, time_of};
use crate::domain::model::id::ActorId;
use crate::domain::model::job::{JobState, PastAttempt};
use crate::ports::store_fault::StoreFault;

#[derive(Deserialize)]
struct AttemptRecord {
    n: u32,
    actor: String,
    started: Option<i64>,
    ended: i64,
    left: String,
    error: Option<ErrorRecord>,
}

/// The attempts before the latest one, oldest first.
pub(super) fn decode(fields: &Fields) -> Result<Vec<PastAttempt>, StoreFault> {
    let Some(json) = fields.get("attempts") else { return Ok(Vec::new()) };
    let corrupt = |cause: &str| fields.corrupt("attempts", cause);
    let records: Vec<AttemptRecord> =
        serde_json::from_str(json).map_err(|error| corrupt(&error.to_string()))?;
    let past = |record: AttemptRecord| {
        let AttemptRecord { n, actor, started, ended, left, error } = record;
        Ok(PastAttempt {
            attempt: n,
            actor_id: Some(actor)
                .filter(|actor| !actor.is_empty())
                .map(|actor| ActorId::parse(&actor))
                .transpose()?,
            started_at: started.map(time_of),
            ended_at: time_of(ended),
            left: JobState::parse(&left).ok_or_else(|| format!("{left:?} is not a state of a job"))?,
            error: error.map(ErrorRecord::into_error).transpose()?,
        })
    };
    records.into_iter().map(past).collect::<Result<_, String>>().map_err(|cause| corrupt(&cause))
}
