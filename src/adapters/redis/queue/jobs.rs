//! Single jobs: read, follow, cancel, delete, retry.

use async_trait::async_trait;
use redis::{FromRedisValue, ParsingError, Pipeline, Value};

use super::{RedisQueue, list};
use crate::adapters::redis::call::Failed;
use crate::adapters::redis::connection::Connection;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys;
use crate::adapters::redis::records::{BASIC, Fields, decode_job, decode_output, parse_state};
use crate::adapters::redis::reply::Entry;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, JobView};
use crate::domain::model::output::{Kept, OutputMark};
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::{
    Cancelled, Changes, Deleted, JobCursor, JobFilter, JobPage, JobQueue, QueueError, Retried,
};
use crate::ports::store_fault::StoreFault;

#[async_trait]
impl JobQueue for RedisQueue {
    async fn get(&self, id: &JobId, view: JobView) -> Result<Option<Job>, QueueError> {
        Ok(read(&self.shared.connection, id, view).await?)
    }

    async fn output(
        &self,
        script_type: ScriptType,
        id: &JobId,
        after: &OutputMark,
        limit: usize,
    ) -> Result<Vec<Kept>, QueueError> {
        let key = keys::output(script_type, id);
        let from = match after.0.as_str() {
            "" => "-".to_owned(),
            mark => format!("({mark}"),
        };
        let mut range = redis::cmd("XRANGE");
        range.arg(&key).arg(from).arg("+").arg("COUNT").arg(limit);
        let entries: Vec<Entry> = self.shared.connection.call(&range, "the output of a job").await?;
        let kept = |Entry { id, fields }: Entry| {
            decode_output(id, &Fields::from_flat_lossy(key.clone(), fields.unwrap_or_default())?)
        };
        Ok(entries.into_iter().map(kept).collect::<Result<_, _>>()?)
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

    async fn cancel(&self, id: &JobId, reason: &str) -> Result<Option<Cancelled>, QueueError> {
        let args = [id.as_str(), reason];
        let answer = self.call_all_queues::<(i64, Vec<Value>)>(Function::Cancel, &args, "a cancel").await?;
        let Some((script_type, (changed, fields))) = answer else { return Ok(None) };
        Ok(Some(Cancelled { job: job_of(id, script_type, fields)?, changed: changed == 1 }))
    }

    async fn delete(&self, id: &JobId) -> Result<Deleted, QueueError> {
        let answer = self.call_all_queues::<String>(Function::Delete, &[id.as_str()], "a delete").await?;
        match answer {
            None => Ok(Deleted::Unknown),
            Some((_script_type, word)) if word == "gone" => Ok(Deleted::Gone),
            Some((script_type, word)) => {
                Ok(Deleted::NotFinished(parse_state(&keys::job(script_type, id), &word)?))
            }
        }
    }

    /// Queues a finished job once more.
    ///
    /// A retry whose answer was lost is not simply repeated: the repeat would be refused, or would retry the job a second time
    /// if it had ended again. The job shows whether the retry had its effect.
    async fn retry(&self, id: &JobId, reset_attempts: bool) -> Result<Retried, QueueError> {
        let connection = &self.shared.connection;
        let Some(before) = read(connection, id, JobView::Basic).await? else { return Ok(Retried::Unknown) };
        if !before.state.is_terminal() {
            return Ok(Retried::NotPossible(before.state));
        }
        let failed = match self.retry_once(id, reset_attempts).await {
            Ok(retried) => return Ok(retried),
            Err(failed) => failed,
        };
        if !failed.sent {
            return Err(failed.error.into());
        }
        let Some(now) = read(connection, id, JobView::Basic).await? else { return Err(failed.error.into()) };
        match failed.error {
            _answer_lost if !now.state.is_terminal() || now.finished_at != before.finished_at => {
                Ok(Retried::Queued(Box::new(now)))
            }
            // Redis may still be at work on the call.
            error @ StoreFault::TimedOut { .. } => Err(error.into()),
            _broken => Ok(self.retry_once(id, reset_attempts).await.map_err(|failed| failed.error)?),
        }
    }
}

impl RedisQueue {
    /// Asks all four queues at once by one function. The queue that knows the job answers.
    pub(super) async fn call_all_queues<R: FromRedisValue>(
        &self,
        function: Function,
        args: &[&str],
        what: &str,
    ) -> Result<Option<(ScriptType, R)>, StoreFault> {
        let answers = self.shared.connection.pipe(&on_all_queues(function, args), what).await?;
        Ok(first_answer(answers))
    }

    async fn retry_once(&self, id: &JobId, reset_attempts: bool) -> Result<Retried, Failed> {
        let reset = if reset_attempts { "1" } else { "0" };
        let pipeline = on_all_queues(Function::Retry, &[id.as_str(), reset]);
        let answers: Vec<Option<RetryAnswer>> =
            self.shared.connection.pipe_once(&pipeline, "a retry").await?;
        let read = match first_answer(answers) {
            None => Ok(Retried::Unknown),
            Some((script_type, RetryAnswer::Queued(fields))) => {
                job_of(id, script_type, fields).map(|job| Retried::Queued(Box::new(job)))
            }
            Some((script_type, RetryAnswer::Refused(word))) => {
                parse_state(&keys::job(script_type, id), &word).map(Retried::NotPossible)
            }
        };
        read.map_err(|error| Failed { error, sent: false })
    }
}

/// Calls a function on all four queues.
fn on_all_queues(function: Function, args: &[&str]) -> Pipeline {
    let mut pipeline = redis::pipe();
    for script_type in ScriptType::ALL {
        pipeline.add_command(function.on_queue(script_type)).arg(args);
    }
    pipeline
}

/// Returns the answer of the queue that has the job.
fn first_answer<R>(answers: Vec<Option<R>>) -> Option<(ScriptType, R)> {
    let mut found = ScriptType::ALL.into_iter().zip(answers);
    found.find_map(|(script_type, answer)| Some((script_type, answer?)))
}

/// The answer of `hero_retry`: basic fields, or the state that forbids it.
enum RetryAnswer {
    Queued(Vec<Value>),
    Refused(String),
}

impl FromRedisValue for RetryAnswer {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        match answer {
            Value::Array(fields) => Ok(Self::Queued(fields)),
            other => String::from_redis_value(other).map(Self::Refused),
        }
    }
}

/// Reads a job from the queue that has it.
pub(super) async fn read(
    connection: &Connection,
    id: &JobId,
    view: JobView,
) -> Result<Option<Job>, StoreFault> {
    let mut names = BASIC.to_vec();
    match view {
        JobView::Basic => {}
        JobView::Full => names.push("script"),
    }
    let mut pipeline = redis::pipe();
    for script_type in ScriptType::ALL {
        pipeline.cmd("HMGET").arg(keys::job(script_type, id)).arg(&names);
    }
    let answers: Vec<Vec<Value>> = connection.pipe(&pipeline, "a job").await?;
    for (script_type, values) in ScriptType::ALL.into_iter().zip(answers) {
        if let Some(fields) = Fields::from_known(keys::job(script_type, id), &names, values)? {
            return decode_job(id, script_type, &fields).map(Some);
        }
    }
    Ok(None)
}

/// Reads a job from the flat list of names and values that functions answer with.
pub(super) fn job_of(id: &JobId, script_type: ScriptType, flat: Vec<Value>) -> Result<Job, StoreFault> {
    decode_job(id, script_type, &Fields::from_flat(keys::job(script_type, id), flat)?)
}
