//! Finds the ends of awaited jobs whose replies were lost, in the records of the jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use super::Shared;
use super::replies::{refresh, resolve_from_records};
use crate::adapters::redis::keys;
use crate::domain::model::id::JobId;
use crate::domain::model::job::JobState;
use crate::domain::model::queue_name::QueueName;
use crate::ports::store_fault::StoreFault;

/// Time between two sweeps, and time for which a job must have been awaited until its record is read.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
const SWEEP_AGE: Duration = Duration::from_millis(400);
/// Records in one pipeline, and pipelines in one sweep; the next sweep goes on behind them.
const SWEEP_CHUNK: usize = 500;
const SWEEP_CHUNKS: usize = 2;

/// Reads the records of awaited jobs, in case a reply was lost.
pub(super) async fn run(shared: &Shared) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut losses = shared.connection.losses();
    let mut after = None;
    loop {
        let everything = tokio::select! {
            _instant = ticks.tick() => false,
            changed = losses.changed() => changed.is_ok(),
        };
        let (age, chunks) = if everything { (Duration::ZERO, usize::MAX) } else { (SWEEP_AGE, SWEEP_CHUNKS) };
        if everything {
            after = None;
        }
        for _chunk in 0..chunks {
            let (due, next) = shared.awaiters.next(after.as_ref(), age, SWEEP_CHUNK);
            after = next;
            if let Err(error) = check_all(shared, due).await {
                tracing::debug!(%error, "awaited jobs: sweep failed");
                break;
            }
            if after.is_none() {
                break;
            }
        }
    }
}

/// Resolves the awaiters of a job that may have ended before they were registered.
pub(super) async fn catch_up(shared: &Shared, id: &JobId, queue: QueueName) -> Result<(), StoreFault> {
    let mut ask = redis::cmd("HGET");
    ask.arg(keys::job(queue, id)).arg("status");
    let status: Option<String> = shared.connection.call(&ask, "the status of a job").await?;
    match status.is_some_and(|status| is_terminal(&status)) {
        true => resolve_from_records(shared, &[(id.clone(), queue)]).await,
        false => Ok(()),
    }
}

fn is_terminal(status: &str) -> bool {
    JobState::parse(status).is_some_and(JobState::is_terminal)
}

/// Looks at these jobs, in a Cluster at those of each server for themselves, so that one that is away keeps no other waiting.
async fn check_all(shared: &Shared, due: Vec<(JobId, QueueName)>) -> Result<(), StoreFault> {
    let mut groups: BTreeMap<Option<QueueName>, Vec<(JobId, QueueName)>> = BTreeMap::new();
    let are_many = shared.connection.servers().are_many();
    for job in due {
        groups.entry(are_many.then_some(job.1)).or_default().push(job);
    }
    let checked = join_all(groups.values().map(|jobs| check(shared, jobs))).await;
    checked.into_iter().find(Result::is_err).unwrap_or(Ok(()))
}

/// Resolves the awaiters of jobs that have ended, and breaks those of jobs whose record has gone.
async fn check(shared: &Shared, jobs: &[(JobId, QueueName)]) -> Result<(), StoreFault> {
    let mut pipeline = redis::pipe();
    for (id, queue) in jobs {
        pipeline.cmd("HGET").arg(keys::job(*queue, id)).arg("status");
    }
    let statuses = shared.connection.pipe_each::<Option<String>>(pipeline, "the status of a job").await?;
    let mut ended = Vec::new();
    for (job, status) in jobs.iter().zip(statuses) {
        let status = match status {
            Ok(status) => status,
            Err(error) => {
                // The waiters read the record themselves and get this error.
                tracing::warn!(job.id = %job.0, %error, "job {}: its record cannot be read", job.0);
                shared.awaiters.abandon(&job.0);
                continue;
            }
        };
        match status {
            None => {
                tracing::warn!(job.id = %job.0, "job {}: awaited, but its record has gone", job.0);
                shared.awaiters.abandon(&job.0);
            }
            Some(status) if is_terminal(&status) => ended.push(job.clone()),
            Some(_other) => {}
        }
    }
    resolve_from_records(shared, &ended).await?;
    if !ended.is_empty() {
        // Replies were lost: the stream may have been removed.
        let queues: BTreeSet<QueueName> = ended.iter().map(|(_id, queue)| *queue).collect();
        refresh(shared, &queues.into_iter().collect::<Vec<_>>()).await?;
    }
    Ok(())
}
