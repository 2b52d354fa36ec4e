//! Past attempts in the record of a job.

use serde::Deserialize;

use super::end::ErrorRecord;
use super::{Fields, decode_job_usage, time_of};
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
    #[serde(default)]
    usage: Option<String>,
}

/// Longest text. Ten attempts with errors of 2 KiB need a fraction of it; to read more would only keep a thread busy.
const MOST_BYTES: usize = 256 * 1024;

/// The attempts before the latest one, oldest first.
pub(super) fn decode(fields: &Fields) -> Result<Vec<PastAttempt>, StoreFault> {
    let Some(json) = fields.get("attempts") else { return Ok(Vec::new()) };
    let corrupt = |cause: &str| fields.corrupt("attempts", cause);
    if json.len() > MOST_BYTES {
        return Err(corrupt(&format!("has {} bytes, more than {MOST_BYTES}", json.len())));
    }
    let records: Vec<AttemptRecord> =
        serde_json::from_str(json).map_err(|error| corrupt(&error.to_string()))?;
    let past = |record: AttemptRecord| {
        let AttemptRecord { n, actor, started, ended, left, error, usage } = record;
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
            usage: usage.as_deref().and_then(decode_job_usage),
        })
    };
    records.into_iter().map(past).collect::<Result<_, String>>().map_err(|cause| corrupt(&cause))
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    fn decoded(json: &str) -> Result<usize, StoreFault> {
        let flat = vec![Value::BulkString(b"attempts".to_vec()), Value::BulkString(json.as_bytes().to_vec())];
        decode(&Fields::from_flat("hero:job:{osis}:j".to_owned(), flat)?).map(|attempts| attempts.len())
    }

    #[test]
    fn a_text_that_nobody_of_ours_has_written_is_refused_before_it_is_read() {
        let one = r#"{"n":1,"actor":"a","started":1,"ended":2,"left":"queued"}"#;
        assert_eq!(decoded(&format!("[{one},{one}]")).unwrap(), 2);
        let told = decoded(&format!("[{}]", vec![one; 200_000].join(","))).unwrap_err();
        assert!(crate::error::chain(&told).contains("more than 262144"), "{told:?}");
    }
}
