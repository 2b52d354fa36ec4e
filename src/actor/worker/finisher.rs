//! Writes how jobs ended, as many at a time as have gathered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep};

use crate::domain::id::JobId;
use crate::ports::job_queue::QueueError;
use crate::ports::work_queue::{AttemptEnd, WorkQueue};

/// Ends in one call: enough to make the round trip cheap, few enough not to keep the queue busy for long.
const BATCH: usize = 64;
/// Waits between attempts.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Starts the task. It takes ends and answers with how many it is done with.
pub(super) fn spawn(
    tasks: &mut JoinSet<()>,
    queue: &Arc<dyn WorkQueue>,
    capacity: usize,
) -> (mpsc::Sender<AttemptEnd>, mpsc::Receiver<usize>) {
    let (ends, mut waiting) = mpsc::channel(capacity);
    let (done, finished) = mpsc::channel(16);
    let queue = Arc::clone(queue);
    tasks.spawn(async move {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            if waiting.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            // Redis does one thing at a time, and ends take it longest: a read that is about to be sent goes first, so
            // that this side works on what it brings while Redis works on the ends.
            yield_now().await;
            while batch.len() < BATCH
                && let Ok(end) = waiting.try_recv()
            {
                batch.push(end);
            }
            let count = batch.len();
            write(queue.as_ref(), std::mem::take(&mut batch)).await;
            if done.send(count).await.is_err() {
                return;
            }
        }
    });
    (ends, finished)
}

/// Writes a batch, again and again until the queue has an answer. That is safe: the queue takes the end of an attempt
/// only from who has its lease, and only once.
async fn write(queue: &dyn WorkQueue, ends: Vec<AttemptEnd>) {
    let begun = Instant::now();
    let mut wait = RETRY.0;
    let mut repeated = false;
    loop {
        match queue.finish(ends.clone()).await {
            Ok(accepted) => return report(&ends, &accepted, repeated),
            Err(error @ (QueueError::Rejected { .. } | QueueError::Corrupt { .. }))
                if begun.elapsed() > queue.lease() =>
            {
                let jobs: Vec<&JobId> = ends.iter().map(|end| &end.lease.job_id).collect();
                tracing::error!(%error, ?jobs, "the queue refuses the ends of jobs; they will count as lost");
                return;
            }
            Err(error) => tracing::debug!(%error, "could not write the ends of jobs; trying again"),
        }
        repeated = true;
        sleep(wait.mul_f64(0.5 + fastrand::f64())).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

fn report(ends: &[AttemptEnd], accepted: &[bool], repeated: bool) {
    for (end, accepted) in ends.iter().zip(accepted) {
        let job = &end.lease.job_id;
        if *accepted {
            continue;
        }
        if repeated {
            // The first try may have had its effect.
            tracing::debug!(job.id = %job, "the end of job {job} was written before, or its lease was void");
        } else {
            tracing::warn!(job.id = %job, "the end of job {job} came too late: its lease was void");
        }
    }
}
