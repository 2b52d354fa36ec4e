//! Pages of jobs, newest first over all queues.
//!
//! Jobs are listed from the shortest index that has all that are looked for ([`sources`]).

mod sources;

use redis::Value;

use crate::adapters::redis::connection::Connection;
use crate::adapters::redis::damaged_records::{RecordKind, keep};
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys;
use crate::adapters::redis::queue::list::sources::sources;
use crate::adapters::redis::records::{BASIC, Fields, decode_job, millis, time_of};
use crate::adapters::redis::reply::Lossy;
use crate::domain::model::id::JobId;
use crate::domain::model::job::Job;
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_queue::{JobCursor, JobFilter, JobPage};
use crate::ports::store_fault::StoreFault;

/// Index entries of one queue in one read, and records in one pipeline.
const CHUNK: usize = 200;
/// Records that one page may read. A page with a rare filter ends early and has a next one.
const LOOKED_AT: usize = 5000;

/// Reads one page.
pub(super) async fn page(
    connection: &Connection,
    filter: &JobFilter,
    after: Option<&JobCursor>,
    limit: usize,
) -> Result<JobPage, StoreFault> {
    let of_types =
        |queue: &QueueName| queue.default_type().is_none_or(|each| filter.script_types.contains(&each));
    let mut queues = match filter.queues.is_empty() {
        true => QueueName::DEFAULTS.to_vec(),
        false => filter.queues.clone(),
    };
    queues.retain(|queue| filter.script_types.is_empty() || of_types(queue));
    if !filter.unique_keys.is_empty() {
        return page_of_keys(connection, filter, &queues).await;
    }
    let sources = sources(connection, &queues, filter).await?;
    let mut indexes: Vec<Index> =
        sources.into_iter().map(|(queue, key)| Index::new(queue, key, filter, after)).collect();
    let mut jobs = Vec::new();
    let mut last = None;
    let mut looked_at = 0;
    loop {
        let found = newest(connection, &mut indexes, CHUNK.min(LOOKED_AT - looked_at)).await?;
        if found.is_empty() {
            return Ok(JobPage::new(jobs, None, looked_at, last.as_ref()));
        }
        let records = read(connection, filter, &found).await?;
        for ((_script_type, position), job) in found.into_iter().zip(records) {
            if jobs.len() == limit {
                return Ok(JobPage::new(jobs, last.clone(), looked_at, last.as_ref()));
            }
            looked_at += 1;
            last = Some(position);
            if let Some(job) = job
                && passes(filter, &job)
            {
                jobs.push(job);
            }
        }
        if jobs.len() == limit || looked_at >= LOOKED_AT {
            return Ok(JobPage::new(jobs, last.clone(), looked_at, last.as_ref()));
        }
    }
}

/// Reads the jobs of unique keys: so few that they are one page.
async fn page_of_keys(
    connection: &Connection,
    filter: &JobFilter,
    queues: &[QueueName],
) -> Result<JobPage, StoreFault> {
    let mut pipeline = redis::pipe();
    let asked = || queues.iter().flat_map(|queue| filter.unique_keys.iter().map(move |key| (*queue, key)));
    for (queue, key) in asked() {
        pipeline.add_command(Function::Holders.on_queue(queue)).arg(key);
    }
    if pipeline.is_empty() {
        return Ok(JobPage::default());
    }
    let answers: Vec<Result<Vec<String>, StoreFault>> =
        connection.pipe_each(pipeline, "the jobs of a unique key").await?;
    let mut found = Vec::new();
    for ((queue, _key), ids) in asked().zip(answers) {
        let ids = ids?.into_iter().filter_map(|id| JobId::parse(&id).ok());
        found.extend(ids.map(|job_id| (queue, JobCursor { created_ms: 0, job_id })));
    }
    let jobs = read(connection, filter, &found).await?;
    let mut jobs: Vec<Job> = jobs.into_iter().flatten().filter(|job| passes(filter, job)).collect();
    jobs.sort_by_key(|job| std::cmp::Reverse((millis(job.created_at), job.id.clone())));
    Ok(JobPage::new(jobs, None, found.len(), None))
}

/// An index of one queue, read downwards.
struct Index {
    queue: QueueName,
    key: String,
    /// No entry with a higher score is read; entries with this score are read behind `skip` others.
    max: i64,
    skip: usize,
    min: i64,
    after: Option<JobCursor>,
    /// Entries that were read and not yet taken, newest last.
    buffer: Vec<JobCursor>,
    exhausted: bool,
}

impl Index {
    fn new(queue: QueueName, key: String, filter: &JobFilter, after: Option<&JobCursor>) -> Self {
        let before = filter.created_before.map_or(i64::MAX, |time| millis(time).saturating_sub(1));
        let max = after.map_or(before, |cursor| cursor.created_ms.min(before));
        let min = filter.created_after.map_or(0, millis);
        let after = after.cloned();
        Self { queue, key, max, skip: 0, min, after, buffer: Vec::new(), exhausted: max < min }
    }

    async fn fill(&mut self, connection: &Connection) -> Result<(), StoreFault> {
        while self.buffer.is_empty() && !self.exhausted {
            let mut range = redis::cmd("ZRANGE");
            range.arg(&self.key).arg(self.max).arg(self.min).arg("BYSCORE").arg("REV");
            range.arg("LIMIT").arg(self.skip).arg(CHUNK).arg("WITHSCORES");
            let read: Vec<(Lossy, i64)> = connection.call(&range, "an index of jobs").await?;
            self.exhausted = read.len() < CHUNK;
            for (Lossy(id), created_ms) in read {
                if created_ms == self.max {
                    self.skip += 1;
                } else {
                    (self.max, self.skip) = (created_ms, 1);
                }
                // An id that others have written into the index is passed over.
                let Ok(job_id) = JobId::parse(&id) else { continue };
                let behind = |cursor: &JobCursor| {
                    (created_ms, job_id.as_str()) < (cursor.created_ms, cursor.job_id.as_str())
                };
                if self.after.as_ref().is_none_or(behind) {
                    self.buffer.push(JobCursor { created_ms, job_id });
                }
            }
            self.buffer.reverse();
        }
        Ok(())
    }
}

/// Takes the newest `count` entries off all indexes.
async fn newest(
    connection: &Connection,
    indexes: &mut [Index],
    count: usize,
) -> Result<Vec<(QueueName, JobCursor)>, StoreFault> {
    let mut found = Vec::with_capacity(count);
    while found.len() < count {
        for index in indexes.iter_mut() {
            index.fill(connection).await?;
        }
        let newest = indexes.iter_mut().max_by(|a, b| {
            let key = |index: &Index| index.buffer.last().map(|at| (at.created_ms, at.job_id.clone()));
            key(a).cmp(&key(b))
        });
        let Some(index) = newest else { break };
        let Some(cursor) = index.buffer.pop() else { break };
        found.push((index.queue, cursor));
    }
    Ok(found)
}

/// Reads the records; None for a record that has gone or is damaged, or whose id is not looked for.
async fn read(
    connection: &Connection,
    filter: &JobFilter,
    found: &[(QueueName, JobCursor)],
) -> Result<Vec<Option<Job>>, StoreFault> {
    let sought = |cursor: &JobCursor| filter.may_be(&cursor.job_id);
    let mut pipeline = redis::pipe();
    for (queue, cursor) in found.iter().filter(|(_, cursor)| sought(cursor)) {
        pipeline.cmd("HMGET").arg(keys::job(*queue, &cursor.job_id)).arg(&BASIC);
    }
    if pipeline.is_empty() {
        return Ok(vec![None; found.len()]);
    }
    let answers: Vec<Result<Vec<Value>, StoreFault>> = connection.pipe_each(pipeline, "a job").await?;
    let mut answers = answers.into_iter();
    let mut jobs = Vec::with_capacity(found.len());
    for (queue, cursor) in found {
        let Some(values) = sought(cursor).then(|| answers.next()).flatten() else {
            jobs.push(None);
            continue;
        };
        let key = keys::job(*queue, &cursor.job_id);
        let fields = values.and_then(|values| Fields::from_known(key, &BASIC, values));
        let read = fields
            .and_then(|fields| fields.map(|fields| decode_job(&cursor.job_id, *queue, &fields)).transpose());
        jobs.push(keep(RecordKind::Job, read).flatten());
    }
    Ok(jobs)
}

fn passes(filter: &JobFilter, job: &Job) -> bool {
    (filter.script_types.is_empty() || filter.script_types.contains(&job.spec.script_type))
        && (filter.states.is_empty() || filter.states.contains(&job.state))
        && filter.caller_id.as_ref().is_none_or(|caller| *caller == job.spec.caller_id)
        && filter.context_id.as_ref().is_none_or(|context| *context == job.spec.context_id)
        && filter.actor_id.as_ref().is_none_or(|actor| job.actor_id.as_ref() == Some(actor))
        && filter.has_marks(&job.spec)
        && filter.has_failed_so(job)
        && filter.created_after.is_none_or(|time| job.created_at >= time_of(millis(time)))
        && filter.created_before.is_none_or(|time| job.created_at < time)
        && filter.may_see(&job.spec)
}
