//! Knowledge of other queues about a job, where they lie in other slots of a Cluster and no function sees them all.
//!
//! An id that a caller has chosen, a request id and the quotas of an identity count in all queues. They are asked for right before the
//! submit, not in one step with it: two submits of one id to two queues in the same moment can both be accepted. A queue that does not
//! answer at once has no say.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value};
use tokio::time::timeout;

use super::{Shared, used_queues};
use crate::adapters::redis::connection::Connection;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::reply::Parts;
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_submission::Submission;
use crate::ports::store_fault::StoreFault;

/// Deadline of the question: part of that of a submit. Redis answers in well under a millisecond.
const LIMIT: Duration = Duration::from_millis(500);

/// Knowledge of other queues about one job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// Time of the first use of the request, in milliseconds; None for one that is new.
    pub(super) reused: Option<u64>,
    pub(super) is_taken: bool,
    /// Jobs of the identity that wait, and that run; None where it has no quota.
    used: Option<(u64, u64)>,
}

impl Elsewhere {
    /// Adds what `hero_submit` has to know to the flags of a job.
    pub(super) fn add_flags(&self, flags: &mut String) {
        if self.is_taken {
            flags.push('t');
        }
        if let Some(first_use) = self.reused {
            flags.push_str(&format!("r{first_use}"));
        }
        if let Some((queued, running)) = self.used {
            flags.push_str(&format!("o{queued},{running}"));
        }
    }

    fn add(&mut self, other: &Answer) {
        self.reused = self.reused.or(other.first_use);
        self.is_taken |= other.is_taken;
        if let Some((queued, running)) = &mut self.used {
            *queued += other.queued;
            *running += other.running;
        }
    }
}

/// The queues that are asked about jobs which are to be submitted to one: in a Cluster the default ones, since no function sees them all;
/// and for the quota of an identity the named ones in which it may have jobs.
pub(super) async fn queues_to_ask(
    shared: &Shared,
    queue: QueueName,
    submissions: &[&Submission],
) -> Vec<QueueName> {
    let has_quota = submissions.iter().any(|job| job.quota.is_some());
    let mut others = match shared.connection.servers().are_many() {
        true => QueueName::DEFAULTS.to_vec(),
        false => Vec::new(),
    };
    if has_quota {
        others.extend(used_queues::active(shared).await);
    }
    others.retain(|other| *other != queue);
    others
}

/// Asks other queues about jobs that are to be submitted to one, and adds the answers to what is known.
pub(super) async fn ask(
    connection: &Connection,
    others: &[QueueName],
    submissions: &[&Submission],
    known: &mut [Elsewhere],
) {
    let asked: Vec<usize> = (0..submissions.len()).filter(|index| is_asked(submissions[*index])).collect();
    if asked.is_empty() || others.is_empty() {
        return;
    }
    let mut args = Vec::with_capacity(asked.len() * 3);
    for index in &asked {
        let job = submissions[*index];
        args.push(job.id.as_str().to_owned());
        args.push(job.request.as_ref().map(|request| request.text().into_owned()).unwrap_or_default());
        let identity = job.spec.submitted_by.as_ref().filter(|_identity| job.quota.is_some());
        args.push(identity.map(ToString::to_string).unwrap_or_default());
        known[*index].used = job.quota.is_some().then_some((0, 0));
    }
    for answers in ask_all(connection, others.iter().copied(), &args).await {
        for (index, answer) in asked.iter().zip(answers) {
            known[*index].add(&answer);
        }
    }
}

/// Minted ids are in no other queue.
fn is_asked(job: &Submission) -> bool {
    job.request.is_some() || job.quota.is_some() || job.id.minted_at().is_none()
}

/// Counts the jobs of an identity in the other queues: those that wait, and those that run. None if the function of a retry sees
/// them all; one that is told of others counts in its own queue only.
pub(super) async fn used_by(shared: &Shared, queue: QueueName, identity: &str) -> Option<(u64, u64)> {
    let args = [String::new(), String::new(), identity.to_owned()];
    let mut others = used_queues::active(shared).await;
    others.retain(|other| *other != queue);
    if others.is_empty() && !shared.connection.servers().are_many() {
        return None;
    }
    others.extend(QueueName::DEFAULTS.into_iter().filter(|other| *other != queue));
    let answers = ask_all(&shared.connection, others.into_iter(), &args).await;
    let all = answers.iter().flatten();
    Some(all.fold((0, 0), |(queued, running), answer| (queued + answer.queued, running + answer.running)))
}

async fn ask_all(
    connection: &Connection,
    others: impl Iterator<Item = QueueName>,
    args: &[String],
) -> Vec<Vec<Answer>> {
    let ask = async |other: QueueName| {
        let mut command = Function::Elsewhere.on_queue(other);
        command.arg(args);
        let asked = timeout(LIMIT, connection.call::<Vec<Answer>>(&command, "what a queue knows of a job"));
        let answer = asked.await.unwrap_or(Err(StoreFault::TimedOut { after: LIMIT }));
        answer.unwrap_or_else(|error| {
            tracing::debug!(%error, "queue of {other}: not asked about a job of another one");
            Vec::new()
        })
    };
    futures::future::join_all(others.map(ask)).await
}

/// The answer of `hero_elsewhere` about one job.
struct Answer {
    first_use: Option<u64>,
    is_taken: bool,
    queued: u64,
    running: u64,
}

impl FromRedisValue for Answer {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        let (first_use, taken): (String, i64) = (parts.next()?, parts.next()?);
        let (first_use, is_taken) = (first_use.parse().ok(), taken == 1);
        Ok(Self { first_use, is_taken, queued: parts.next()?, running: parts.next()? })
    }
}
