//! A queue as a whole: its depth, its state, pause, count and purge.

use std::time::Duration;

use async_trait::async_trait;
use redis::{FromRedisValue, ParsingError, Value};

use super::jobs::name_of_call;
use super::{ROUND, RedisQueue};
use crate::adapters::redis::damaged_records::note_queue;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::records::time_of;
use crate::adapters::redis::reply::Parts;
use crate::domain::model::flow::FlowRules;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{JobErrorKind, JobState};
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_queue::QueueError;
use crate::ports::queue_admin::{
    EndCount, FlowHeld, FlowStanding, Paused, QueueAdmin, QueueDepth, QueueState,
};
use crate::ports::store_fault::StoreFault;

#[async_trait]
impl QueueAdmin for RedisQueue {
    async fn depth(&self, queue: QueueName) -> Result<QueueDepth, QueueError> {
        let command = Function::Depth.on_queue(queue);
        let answer: (u64, u64, u64, u64, String) =
            self.shared.connection.call(&command, "the depth of a queue").await?;
        let (queued, running, delayed, _absent, cursor) = answer;
        let more = self.count_inboxes(queue, cursor).await?;
        Ok(QueueDepth { queued: queued + more.queued, running: running + more.running, delayed })
    }

    async fn state(&self, queue: QueueName) -> Result<QueueState, QueueError> {
        let command = Function::QueueState.on_queue(queue);
        let answer = self.shared.connection.call::<StateAnswer>(&command, "the state of a queue").await;
        let answer = answer.inspect_err(note_queue)?;
        let more = self.count_inboxes(queue, answer.cursor).await?;
        let age = |at: i64| Duration::from_millis(u64::try_from(answer.now - at).unwrap_or(0));
        let oldest = [answer.oldest, more.oldest].into_iter().flatten().min();
        let is_paused = answer.pause % 2 == 1;
        Ok(QueueState {
            depth: QueueDepth {
                queued: answer.queued + more.queued,
                running: answer.running + more.running,
                delayed: answer.delayed,
            },
            oldest_age: oldest.map(age),
            oldest_common_age: answer.oldest_common.map(age),
            queued_for_absent: answer.absent + more.absent,
            paused: is_paused.then(|| Paused {
                since: time_of(answer.since),
                reason: answer.reason,
                by: answer.who.filter(|who| !who.is_empty()),
            }),
            submitted: answer.submitted,
            finished: answer.finished,
            malformed: answer.malformed,
            damaged: answer.damaged,
        })
    }

    async fn ends(&self, queue: QueueName) -> Result<Vec<EndCount>, QueueError> {
        let command = Function::JobEnds.on_queue(queue);
        let answer: Vec<(String, u64)> = self.shared.connection.call(&command, "the ends of jobs").await?;
        Ok(answer.into_iter().filter_map(|(word, jobs)| end_count(&word, jobs)).collect())
    }

    async fn pause(&self, queue: QueueName, reason: &str, by: Option<&str>) -> Result<bool, QueueError> {
        let mut pause = Function::Pause.on_queue(queue);
        pause.arg(reason).arg(name_of_call()).arg(by.unwrap_or_default());
        Ok(self.shared.connection.call::<i64>(&pause, "a pause").await? == 1)
    }

    async fn resume(&self, queue: QueueName) -> Result<bool, QueueError> {
        let mut resume = Function::Resume.on_queue(queue);
        resume.arg(name_of_call());
        Ok(self.shared.connection.call::<i64>(&resume, "the end of a pause").await? == 1)
    }

    async fn count(&self, queue: QueueName, states: &[JobState]) -> Result<u64, QueueError> {
        Ok(self.scan_jobs(queue, states, None).await?)
    }

    async fn purge(
        &self,
        queue: QueueName,
        states: &[JobState],
        reason: &str,
        most: u64,
    ) -> Result<u64, QueueError> {
        Ok(self.scan_jobs(queue, states, Some((reason, most))).await?)
    }

    fn limit_depth(&self, queue: QueueName, limit: Option<u64>) {
        let mut limits = self.shared.limits.lock();
        match limit {
            Some(limit) => limits.insert(queue, limit),
            None => limits.remove(&queue),
        };
    }

    fn set_ageing(&self, queue: QueueName, ageing: Duration) {
        self.shared.ageings.lock().insert(queue, ageing);
    }

    fn set_flow(&self, queue: QueueName, generation: u64, rules: &FlowRules) {
        self.note_flow(queue, generation, rules);
    }

    async fn push_flow(&self, queue: QueueName) -> Result<(), QueueError> {
        Ok(self.send_flow(queue).await?)
    }

    async fn flow_standing(
        &self,
        queue: QueueName,
        key: &str,
        job: &JobId,
    ) -> Result<FlowStanding, QueueError> {
        Ok(self.read_flow_key(queue, key, job).await?)
    }

    async fn flow_held(&self, queue: QueueName) -> Result<FlowHeld, QueueError> {
        Ok(self.read_flow_held(queue).await?)
    }

    fn depth_limit(&self, queue: QueueName) -> u64 {
        self.shared.limit(queue)
    }
}

/// Reads a count of `hero_job_ends`; None for a word of a later version.
fn end_count(word: &str, jobs: u64) -> Option<EndCount> {
    let (state, kind) = word.split_once(':').map_or((word, None), |(state, kind)| (state, Some(kind)));
    let error_kind = match kind {
        Some(kind) => Some(JobErrorKind::parse(kind)?),
        None => None,
    };
    Some(EndCount { state: JobState::parse(state)?, error_kind, jobs })
}

impl RedisQueue {
    /// Counts the inboxes behind a cursor, page by page.
    async fn count_inboxes(&self, queue: QueueName, mut cursor: String) -> Result<Inboxes, StoreFault> {
        let mut sum = Inboxes::default();
        while cursor != "0" {
            let mut command = Function::Inboxes.on_queue(queue);
            command.arg(&cursor);
            let answer: (u64, u64, u64, i64, String) =
                self.shared.connection.call(&command, "a page of inboxes").await?;
            let (queued, running, absent, oldest, next) = answer;
            sum.queued += queued;
            sum.running += running;
            sum.absent += absent;
            sum.oldest = [sum.oldest, time(oldest)].into_iter().flatten().min();
            cursor = next;
        }
        Ok(sum)
    }

    /// Goes through all jobs of a queue in the order of their acceptance: counts those in these states, and cancels up to a number
    /// of them for a reason.
    async fn scan_jobs(
        &self,
        queue: QueueName,
        states: &[JobState],
        cancel: Option<(&str, u64)>,
    ) -> Result<u64, StoreFault> {
        let (reason, most) = cancel.map_or(("", None), |(reason, most)| (reason, Some(most)));
        let (mut total, mut after, mut score) = (0_u64, String::new(), String::new());
        loop {
            let left = most.map(|most| most.saturating_sub(total));
            if left == Some(0) {
                return Ok(total);
            }
            let left = left.map_or(-1, |left| i64::try_from(left).unwrap_or(i64::MAX));
            let mode = cancel.map_or_else(|| "count".to_owned(), |_| format!("cancel:{}", name_of_call()));
            let mut purge = Function::Purge.on_queue(queue);
            purge.arg(mode).arg(ROUND).arg(left).arg(reason).arg(&after).arg(&score);
            for state in states {
                purge.arg(state.as_str());
            }
            let answer: (u64, String, String, i64) = self.shared.connection.call(&purge, "a purge").await?;
            let (count, last, last_score, more) = answer;
            total += count;
            if more != 1 {
                return Ok(total);
            }
            (after, score) = (last, last_score);
        }
    }
}

/// Sums over inboxes.
#[derive(Default)]
struct Inboxes {
    queued: u64,
    running: u64,
    absent: u64,
    oldest: Option<i64>,
}

/// The answer of `hero_queue_state`.
struct StateAnswer {
    now: i64,
    queued: u64,
    running: u64,
    delayed: u64,
    oldest_common: Option<i64>,
    pause: u64,
    since: i64,
    reason: String,
    submitted: u64,
    finished: u64,
    absent: u64,
    oldest: Option<i64>,
    malformed: u64,
    damaged: u64,
    cursor: String,
    who: Option<String>,
}

impl FromRedisValue for StateAnswer {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        Ok(Self {
            now: parts.next()?,
            queued: parts.next()?,
            running: parts.next()?,
            delayed: parts.next()?,
            oldest_common: time(parts.next()?),
            pause: parts.next()?,
            since: parts.next()?,
            reason: parts.next()?,
            submitted: parts.next()?,
            finished: parts.next()?,
            absent: parts.next()?,
            oldest: time(parts.next()?),
            malformed: parts.next()?,
            damaged: parts.next()?,
            cursor: parts.next()?,
            who: parts.next()?,
        })
    }
}

/// A time of which a negative one is none.
fn time(millis: i64) -> Option<i64> {
    (millis >= 0).then_some(millis)
}
