//! Single jobs: read, follow, cancel, delete, retry.

use async_trait::async_trait;
use redis::{FromRedisValue, ParsingError, Pipeline, Value};

use super::quotas::{limit_text, quota_reached};
use super::{RedisQueue, Shared, elsewhere, known_queues, list};
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys;
use crate::adapters::redis::records::{
    BASIC, Fields, decode_job, decode_output, decode_record_output, parse_state, seen_in_record,
};
use crate::adapters::redis::reply::{self, Entry, Parts};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{IdentityQuota, Job, JobView, Priority, QuotaReached};
use crate::domain::model::output::{OutputMark, StoredChunk};
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_position::JobPosition;
use crate::ports::job_queue::{
    Cancelled, Changes, Deleted, JobCursor, JobFilter, JobPage, JobQueue, QueueError, Reprioritized, Retried,
};
use crate::ports::store_fault::StoreFault;

#[async_trait]
impl JobQueue for RedisQueue {
    async fn get(&self, id: &JobId, view: JobView) -> Result<Option<Job>, QueueError> {
        Ok(read(&self.shared, id, view).await?)
    }

    async fn output(
        &self,
        queue: QueueName,
        id: &JobId,
        after: &OutputMark,
        limit: usize,
    ) -> Result<Vec<StoredChunk>, QueueError> {
        const WHAT: &str = "the output of a job";
        let key = keys::output(queue, id);
        let from = match after.0.as_str() {
            "" => "-".to_owned(),
            mark => format!("({mark}"),
        };
        let mut chunks = Vec::new();
        // What came with the end of a short job is in its record, and was said before what is in the stream.
        if let Some(seen) = seen_in_record(after) {
            let mut read = redis::cmd("HGET");
            read.arg(keys::job(queue, id)).arg("log");
            let log: Option<Vec<u8>> = self.shared.connection.call(&read, WHAT).await?;
            let said = log.map(|log| decode_record_output(&log)).unwrap_or_default();
            chunks.extend(said.into_iter().skip(seen).take(limit));
        }
        if chunks.len() == limit {
            return Ok(chunks);
        }
        let mut range = redis::cmd("XRANGE");
        range.arg(&key).arg(from).arg("+").arg("COUNT").arg(limit - chunks.len());
        let entries: Vec<Entry> = self.shared.connection.call(&range, WHAT).await?;
        for Entry { id, fields } in entries {
            let fields = Fields::from_flat_lossy(key.clone(), fields.unwrap_or_default())?;
            chunks.push(decode_output(id, &fields)?);
        }
        Ok(chunks)
    }

    fn changes(&self, id: &JobId) -> Changes {
        self.change_feed.follow(id)
    }

    async fn list(
        &self,
        filter: &JobFilter,
        after: Option<&JobCursor>,
        limit: usize,
    ) -> Result<JobPage, QueueError> {
        Ok(list::page(&self.shared.connection, filter, after, limit).await?)
    }

    async fn position(&self, queue: QueueName, id: &JobId) -> Result<Option<JobPosition>, QueueError> {
        self.position_in(queue, id).await
    }

    async fn cancel(&self, id: &JobId, reason: &str) -> Result<Option<Cancelled>, QueueError> {
        let call = name_of_call();
        let args = [id.as_str(), reason, &call];
        let answer =
            self.call_its_queue::<(i64, Vec<Value>)>(id, Function::Cancel, &args, "a cancel").await?;
        let Some((queue, (changed, fields))) = answer else { return Ok(None) };
        Ok(Some(Cancelled { job: job_of(id, queue, fields)?, changed: changed == 1 }))
    }

    /// Removes the record of an ended job.
    ///
    /// A job that was there when the call began and is gone now has gone by this call, whose first answer may be lost, or by
    /// another one at the same time. So it is asked for first.
    async fn delete(&self, id: &JobId) -> Result<Deleted, QueueError> {
        if self.place_of(id).await?.is_none() {
            return Ok(Deleted::Unknown);
        }
        match self.call_its_queue::<String>(id, Function::Delete, &[id.as_str()], "a delete").await? {
            None => Ok(Deleted::Gone),
            Some((_queue, word)) if word == "gone" => Ok(Deleted::Gone),
            Some((queue, word)) => Ok(Deleted::NotFinished(parse_state(&keys::job(queue, id), &word)?)),
        }
    }

    async fn reprioritize(&self, id: &JobId, priority: Priority) -> Result<Reprioritized, QueueError> {
        let Some((queue, _place)) = self.place_of(id).await? else { return Ok(Reprioritized::Unknown) };
        let mut update = Function::Update.on_queue(queue);
        let shift = priority.shift(self.shared.ageing(queue));
        update.arg(id.as_str()).arg(priority.level()).arg(shift);
        match self.shared.connection.call(&update, "another priority").await? {
            None => Ok(Reprioritized::Unknown),
            Some(UpdateAnswer::Refused(word)) => {
                Ok(Reprioritized::NotWaiting(parse_state(&keys::job(queue, id), &word)?))
            }
            Some(UpdateAnswer::Done(changed, fields)) => {
                Ok(Reprioritized::Done { job: Box::new(job_of(id, queue, fields)?), changed })
            }
        }
    }

    /// Queues a finished job once more.
    ///
    /// The function retries the job only while the job is where it was seen before, so a call that is repeated after its answer was
    /// lost, or is made by two at once, retries the job once, whatever has become of the job meanwhile.
    async fn retry(
        &self,
        id: &JobId,
        reset_attempts: bool,
        quota: Option<&IdentityQuota>,
    ) -> Result<Retried, QueueError> {
        let Some((queue, place)) = self.place_of(id).await? else { return Ok(Retried::Unknown) };
        let reset = if reset_attempts { "1" } else { "0" };
        let (identity, [queued, running]) = match quota {
            Some(IdentityQuota { identity, quota }) => {
                (identity.as_str(), [quota.max_queued, quota.max_running].map(limit_text))
            }
            None => ("", Default::default()),
        };
        let mut args = vec![id.as_str(), reset, &place, identity, &queued, &running];
        let elsewhere;
        if !identity.is_empty()
            && let Some((queued, running)) = elsewhere::used_by(&self.shared, queue, identity).await
        {
            elsewhere = [queued.to_string(), running.to_string()];
            args.extend(elsewhere.iter().map(String::as_str));
        }
        match self.call_its_queue(id, Function::Retry, &args, "a retry").await? {
            None => Ok(Retried::Unknown),
            Some((queue, RetryAnswer::Queued(fields))) => {
                Ok(Retried::Queued(Box::new(job_of(id, queue, fields)?)))
            }
            Some((queue, RetryAnswer::Refused(word))) => {
                Ok(Retried::NotPossible(parse_state(&keys::job(queue, id), &word)?))
            }
            Some((_script_type, RetryAnswer::QuotaReached(reached))) => Ok(Retried::QuotaReached(reached)),
            Some((queue, RetryAnswer::KeyHeld(holder, word))) => {
                let holder = JobId::parse(&holder).map_err(|error| reply::corrupt("a retry", &error))?;
                Ok(Retried::KeyHeld { state: parse_state(&keys::job(queue, &holder), &word)?, holder })
            }
            Some((_script_type, RetryAnswer::Damaged(key, why))) => Err(reply::corrupt(&key, &why).into()),
        }
    }
}

impl RedisQueue {
    /// Asks the queues that may have a job by one function. The queue that knows the job answers.
    pub(super) async fn call_its_queue<R: FromRedisValue>(
        &self,
        id: &JobId,
        function: Function,
        args: &[&str],
        what: &str,
    ) -> Result<Option<(QueueName, R)>, StoreFault> {
        find(
            &self.shared,
            id,
            what,
            |pipeline, queue| {
                pipeline.add_command(function.on_queue(queue)).arg(args);
            },
            |_queue, answer: Option<R>| Ok(answer),
        )
        .await
    }

    /// The place at which a job was queued last, '' for none; None when there is no such job. It tells a job that was retried
    /// from one that was not.
    async fn place_of(&self, id: &JobId) -> Result<Option<(QueueName, String)>, StoreFault> {
        let ask = |pipeline: &mut Pipeline, queue| {
            pipeline.cmd("HMGET").arg(keys::job(queue, id)).arg(&["status", "at"]);
        };
        let place = |_queue, (status, place): (Option<String>, Option<String>)| {
            Ok(status.map(|_status| place.unwrap_or_default()))
        };
        find(&self.shared, id, "the place of a job", ask, place).await
    }
}

/// Asks the queues that may have a job, all at once: first those that are likely to, and if none has it, those that others know of.
async fn find<A: FromRedisValue, R>(
    shared: &Shared,
    id: &JobId,
    what: &str,
    ask: impl Fn(&mut Pipeline, QueueName),
    read: impl Fn(QueueName, A) -> Result<Option<R>, StoreFault>,
) -> Result<Option<(QueueName, R)>, StoreFault> {
    let mut queues = known_queues::likely(shared, id);
    let mut asked = Vec::new();
    loop {
        let mut pipeline = redis::pipe();
        for queue in &queues {
            ask(&mut pipeline, *queue);
        }
        let answers: Vec<Result<A, StoreFault>> = shared.connection.pipe_apart(pipeline, what).await;
        let answers = queues
            .iter()
            .zip(answers)
            .map(|(queue, answer)| (*queue, answer.and_then(|answer| read(*queue, answer))));
        if let Some(found) = first_answer(answers.collect())? {
            return Ok(Some(found));
        }
        if !asked.is_empty() {
            return Ok(None);
        }
        asked.append(&mut queues);
        queues = known_queues::others(shared, id, &asked).await?;
        if queues.is_empty() {
            return Ok(None);
        }
    }
}

/// A name for one call, by which functions know a repeat of it.
pub(super) fn name_of_call() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Returns the answer of the queue that has the job; the fault of another queue counts only when none has it.
fn first_answer<R>(
    answers: Vec<(QueueName, Result<Option<R>, StoreFault>)>,
) -> Result<Option<(QueueName, R)>, StoreFault> {
    let mut failure = None;
    for (queue, answer) in answers {
        match answer {
            Ok(Some(answer)) => return Ok(Some((queue, answer))),
            Ok(None) => {}
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(None), Err)
}

/// The answer of `hero_retry`: basic fields, the state that forbids it, the quota that is reached, the job that holds its unique key
/// with its state, or a damaged key and why it cannot be
/// read.
enum RetryAnswer {
    Queued(Vec<Value>),
    Refused(String),
    QuotaReached(QuotaReached),
    KeyHeld(String, String),
    Damaged(String, String),
}

impl FromRedisValue for RetryAnswer {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let Value::Array(fields) = answer else { return String::from_redis_value(answer).map(Self::Refused) };
        // No field of a job has one of these names.
        match fields.split_first() {
            Some((Value::BulkString(word), rest)) if word == b"quota" => {
                quota_reached(&mut Parts::from_redis_value(Value::Array(rest.to_vec()))?)
                    .map(Self::QuotaReached)
            }
            Some((Value::BulkString(word), rest)) if word == b"held" => {
                let (holder, state) = FromRedisValue::from_redis_value(Value::Array(rest.to_vec()))?;
                Ok(Self::KeyHeld(holder, state))
            }
            Some((Value::BulkString(word), rest)) if word == b"damaged" => {
                let (key, why) = FromRedisValue::from_redis_value(Value::Array(rest.to_vec()))?;
                Ok(Self::Damaged(key, why))
            }
            _others => Ok(Self::Queued(fields)),
        }
    }
}

/// The answer of `hero_update`: whether it changed the job, and basic fields; or the state that forbids it.
enum UpdateAnswer {
    Done(bool, Vec<Value>),
    Refused(String),
}

impl FromRedisValue for UpdateAnswer {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        match answer {
            Value::Array(_) => {
                let (changed, fields): (i64, Vec<Value>) = FromRedisValue::from_redis_value(answer)?;
                Ok(Self::Done(changed == 1, fields))
            }
            word => String::from_redis_value(word).map(Self::Refused),
        }
    }
}

/// Reads a job from the queue that has it.
pub(super) async fn read(shared: &Shared, id: &JobId, view: JobView) -> Result<Option<Job>, StoreFault> {
    let mut names = BASIC.to_vec();
    match view {
        JobView::Basic => {}
        JobView::Full => names.extend(["script", "input"]),
    }
    let ask = |pipeline: &mut Pipeline, queue| {
        pipeline.cmd("HMGET").arg(keys::job(queue, id)).arg(&names);
    };
    let fields = |queue, values| Fields::from_known(keys::job(queue, id), &names, values);
    let found = find(shared, id, "a job", ask, fields).await?;
    found.map(|(queue, fields)| decode_job(id, queue, &fields)).transpose()
}

/// Reads a job from the flat list of names and values of a function's answer.
pub(super) fn job_of(id: &JobId, queue: QueueName, flat: Vec<Value>) -> Result<Job, StoreFault> {
    decode_job(id, queue, &Fields::from_flat(keys::job(queue, id), flat)?)
}
