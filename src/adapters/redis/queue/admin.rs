//! A queue as a whole: how it is, pause, purge; and one more try for a job.

use std::time::Duration;

use redis::Value;

use super::{ROUND, RedisQueue, fcall, job_of, number};
use crate::adapters::redis::connection::unexpected;
use crate::adapters::redis::keys;
use crate::adapters::redis::records::{Fields, decode_state, time_of};
use crate::domain::model::id::JobId;
use crate::domain::model::job::JobState;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::{QueueError, Retried};
use crate::ports::queue_admin::{Paused, QueueDepth, QueueState};

impl RedisQueue {
    pub(super) async fn read_state(&self, script_type: ScriptType) -> Result<QueueState, QueueError> {
        let answer = self.shared.connection.call(&fcall("hero_queue", script_type)).await?;
        let Value::Array(parts) = &answer else { return Err(unexpected("the state of a queue", &answer)) };
        let signed = |index: usize| parts.get(index).and_then(number).unwrap_or(-1);
        let count = |index: usize| u64::try_from(signed(index)).unwrap_or(0);
        let age = |at: i64| Duration::from_millis(u64::try_from(signed(0) - at).unwrap_or(0));
        let reason = match parts.get(7) {
            Some(Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            _other => String::new(),
        };
        let paused = count(5) % 2 == 1;
        let waited = |index: usize| (signed(index) >= 0).then(|| age(signed(index)));
        Ok(QueueState {
            depth: QueueDepth { queued: count(1), running: count(2), delayed: count(3) },
            oldest_age: waited(11),
            oldest_common_age: waited(4),
            queued_for_absent: count(10),
            paused: paused.then(|| Paused { since: time_of(signed(6)), reason }),
            submitted: count(8),
            finished: count(9),
            malformed: count(12),
            damaged: count(13),
        })
    }

    pub(super) async fn set_paused(
        &self,
        script_type: ScriptType,
        reason: Option<&str>,
    ) -> Result<bool, QueueError> {
        let command = match reason {
            Some(reason) => {
                let mut pause = fcall("hero_pause", script_type);
                pause.arg(reason);
                pause
            }
            None => fcall("hero_resume", script_type),
        };
        Ok(self.ask(&command, "a pause").await?.first() == Some(&1))
    }

    /// Goes through all jobs of a type in the order of their acceptance.
    pub(super) async fn scan_jobs(
        &self,
        script_type: ScriptType,
        states: &[JobState],
        cancel: Option<(&str, u64)>,
    ) -> Result<u64, QueueError> {
        let (mode, reason, most) = match cancel {
            Some((reason, most)) => ("cancel", reason, Some(most)),
            None => ("count", "", None),
        };
        let (mut total, mut after, mut score) = (0_u64, String::new(), String::new());
        loop {
            let left = most.map(|most| most.saturating_sub(total));
            if left == Some(0) {
                return Ok(total);
            }
            let left = left.map_or(-1, |left| i64::try_from(left).unwrap_or(i64::MAX));
            let mut purge = fcall("hero_purge", script_type);
            purge.arg(mode).arg(ROUND).arg(left).arg(reason).arg(&after).arg(&score);
            for state in states {
                purge.arg(state.as_str());
            }
            let answer = self.shared.connection.call(&purge).await?;
            let Value::Array(parts) = &answer else { return Err(unexpected("a purge", &answer)) };
            let [count, Value::BulkString(last), Value::BulkString(at), more] = &parts[..] else {
                return Err(unexpected("a purge", &answer));
            };
            total += number(count).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
            if number(more) != Some(1) {
                return Ok(total);
            }
            after = String::from_utf8_lossy(last).into_owned();
            score = String::from_utf8_lossy(at).into_owned();
        }
    }

    pub(super) async fn retry_job(&self, id: &JobId, reset_attempts: bool) -> Result<Retried, QueueError> {
        let reset = if reset_attempts { "1" } else { "0" };
        let Some((script_type, answer)) = self.call_all_queues("hero_retry", &[id.as_str(), reset]).await?
        else {
            return Ok(Retried::Unknown);
        };
        if let Value::Array(_) = answer {
            return Ok(Retried::Queued(Box::new(job_of(id, script_type, answer)?)));
        }
        let flat = vec![Value::SimpleString("status".to_owned()), answer];
        decode_state(&Fields::from_flat(keys::job(script_type, id), flat)?).map(Retried::NotPossible)
    }
}
