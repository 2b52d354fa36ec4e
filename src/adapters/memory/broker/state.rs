//! Every job and its place. Each change is one synchronous step, as a Redis function is.

mod admin;
mod events;
mod fleet;
mod flow;
mod jobs;
mod leases;
mod maintenance;
mod outputs;
mod positions;
mod presence;
mod registry;
mod unique;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::adapters::memory::broker::MemoryConfig;
use crate::adapters::memory::broker::state::outputs::Outputs;
use crate::adapters::memory::clock::MemoryClock;
use crate::domain::model::actor::{ActorConfig, ActorRecord};
use crate::domain::model::flow::{FlowRules, FlowSchedule, FlowUse};
use crate::domain::model::health::HealthRecord;
use crate::domain::model::id::{ActorId, JobId, NodeName};
use crate::domain::model::job::{
    DEFAULT_AGEING, Finished, History, Job, JobError, JobErrorKind, JobKind, JobState, MAX_PAST_ATTEMPTS,
    Outcome, PastAttempt,
};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::scaling::ScalingDecision;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::domain::model::usage::{ActorUsage, Usage};
use crate::ports::actor_presence::{Presence, Reclaimed};
use crate::ports::clock::Clock;
use crate::ports::queue_admin::Paused;
use crate::ports::queue_registry::QueueRecord;
use crate::ports::work_queue::{Lease, Work};

/// Time for which a request id stands for its job.
const REQUEST_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Bytes of the error of a past attempt that are kept.
const PAST_ERROR_BYTES: usize = 2048;

/// Most returns of one job to its queue without its attempt being counted.
const FREE_ATTEMPTS: u32 = 10;

/// One actor process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::adapters::memory) struct Holder {
    pub(in crate::adapters::memory) actor_id: ActorId,
    pub(in crate::adapters::memory) pid: u32,
}

/// The list in which an entry waits, in the order of taking.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    /// The inbox of one actor.
    Inbox(ActorId),
    /// Retried, reclaimed and released jobs.
    Front,
    /// The queue for all other jobs.
    Queue,
}

/// Position of a waiting job: its lane, its rank there, its entry. In the queue, ranks are microseconds of the clock, moved by
/// priorities; elsewhere a rank is the first entry.
type Place = (Lane, i64, u64);

/// A job that waits.
#[derive(Debug)]
struct Waiting {
    job_id: JobId,
    expires: Option<Instant>,
    counted: bool,
    /// Microseconds by which its priority has moved its rank.
    shift: i64,
}

/// A job that an actor holds.
#[derive(Debug)]
struct InFlight {
    job_id: JobId,
    lane: Lane,
    order: i64,
    holder: Holder,
    until: Instant,
    expires: Option<Instant>,
    /// False for a ping.
    counted: bool,
    /// As it was while the job waited.
    shift: i64,
    /// True once the actor has begun it.
    begun: bool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<Place, Waiting>,
    /// The last rank that was given, without the shift of a priority.
    last_rank: i64,
    held: BTreeMap<u64, InFlight>,
    delayed: BTreeMap<JobId, (Instant, Lane)>,
    messages: BTreeMap<Holder, VecDeque<Work>>,
    presences: BTreeMap<ActorId, Presence>,
    paused: Option<Paused>,
    limit: Option<u64>,
    ageing: Option<Duration>,
    flow: FlowRules,
    schedule: FlowSchedule,
    /// Use that keys have made of their rates.
    uses: BTreeMap<String, FlowUse>,
    submitted: u64,
    finished: u64,
    /// Ended jobs by state and kind of error.
    ends: BTreeMap<(JobState, Option<JobErrorKind>), u64>,
}

#[derive(Debug)]
pub(in crate::adapters::memory) struct State {
    config: MemoryConfig,
    clock: MemoryClock,
    next_entry: u64,
    jobs: BTreeMap<JobId, Job>,
    ended: VecDeque<(JobId, Instant)>,
    requests: BTreeMap<String, (String, JobId, SystemTime, Instant)>,
    /// Requests that were answered with a job that was there before.
    answered: BTreeSet<String>,
    free_attempts: BTreeMap<JobId, u32>,
    waiters: BTreeMap<JobId, Vec<oneshot::Sender<Finished>>>,
    outputs: BTreeMap<JobId, Outputs>,
    queues: BTreeMap<QueueName, Queue>,
    /// Unique keys, each of a queue.
    keys: BTreeMap<(QueueName, String), unique::Key>,
    /// Jobs with a unique key that were cancelled while an actor had them.
    stopping: BTreeMap<JobId, unique::Stopping>,
    /// Queues that were created by name.
    pub(in crate::adapters::memory) registry: BTreeMap<QueueName, QueueRecord>,
    /// State of a queue that was not used yet.
    unused: Queue,
    events: events::EventStreams,
    pub(in crate::adapters::memory) records: BTreeMap<ActorId, ActorRecord>,
    pub(in crate::adapters::memory) templates: BTreeMap<QueueName, ActorConfig>,
    pub(in crate::adapters::memory) settings: BTreeMap<QueueName, ScriptTypeSettings>,
    pub(in crate::adapters::memory) healths: BTreeMap<ActorId, HealthRecord>,
    pub(in crate::adapters::memory) decisions: BTreeMap<QueueName, ScalingDecision>,
    /// The leader of each node, and the end of its term.
    pub(in crate::adapters::memory) leaders: BTreeMap<String, (String, Instant)>,
    /// Machines, and the time at which each was last seen.
    nodes: BTreeMap<NodeName, SystemTime>,
    /// The machine that leads the fleet, and the end of its term.
    fleet_leader: Option<(NodeName, Instant)>,
    pub(in crate::adapters::memory) usages: BTreeMap<String, (Vec<ActorUsage>, Instant)>,
    pub(in crate::adapters::memory) usage_points: BTreeMap<ActorId, BTreeMap<SystemTime, Usage>>,
    pub(in crate::adapters::memory) unavailable: bool,
}

impl State {
    pub(super) fn new(config: MemoryConfig, clock: MemoryClock) -> Self {
        Self {
            config,
            clock,
            next_entry: 0,
            jobs: BTreeMap::new(),
            ended: VecDeque::new(),
            requests: BTreeMap::new(),
            answered: BTreeSet::new(),
            free_attempts: BTreeMap::new(),
            waiters: BTreeMap::new(),
            outputs: BTreeMap::new(),
            queues: BTreeMap::new(),
            keys: BTreeMap::new(),
            stopping: BTreeMap::new(),
            registry: BTreeMap::new(),
            unused: Queue::default(),
            events: events::EventStreams::default(),
            records: BTreeMap::new(),
            templates: BTreeMap::new(),
            settings: BTreeMap::new(),
            healths: BTreeMap::new(),
            decisions: BTreeMap::new(),
            leaders: BTreeMap::new(),
            nodes: BTreeMap::new(),
            fleet_leader: None,
            usages: BTreeMap::new(),
            usage_points: BTreeMap::new(),
            unavailable: false,
        }
    }

    fn queue(&mut self, name: QueueName) -> &mut Queue {
        self.queues.entry(name).or_default()
    }

    fn look_at(&self, name: QueueName) -> &Queue {
        self.queues.get(&name).unwrap_or(&self.unused)
    }

    /// Queues a job. A `released` one keeps its position and its deadline.
    fn enqueue(&mut self, id: &JobId, lane: Lane, released: Option<&InFlight>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let old = Some(job.state).filter(|old| *old != JobState::Queued);
        job.state = JobState::Queued;
        job.due_at = None;
        let name = job.spec.queue();
        let (counted, priority) = (job.spec.kind == JobKind::Script, job.spec.priority);
        // Only the wait for the first attempt is limited.
        let limit = job.spec.queue_timeout.filter(|_limit| job.attempt == 0);
        let expires = limit.map(|limit| Instant::now() + limit);
        let shift = priority.shift(self.look_at(name).ageing.unwrap_or(DEFAULT_AGEING));
        self.next_entry += 1;
        let (order, expires, shift) = match (released, &lane) {
            (Some(held), _lane) => (held.order, held.expires, held.shift),
            (None, Lane::Queue) => {
                let now = micros(self.clock.now());
                let queue = self.queue(name);
                queue.last_rank = now.max(queue.last_rank + 1);
                (queue.last_rank + shift, expires, shift)
            }
            (None, Lane::Inbox(_) | Lane::Front) => {
                (i64::try_from(self.next_entry).unwrap_or(i64::MAX), expires, shift)
            }
        };
        let place = (lane, order, self.next_entry);
        self.queue(name).waiting.insert(place, Waiting { job_id: id.clone(), expires, counted, shift });
        self.emit_state(id, old);
    }

    /// Ends an attempt whose actor has gone.
    fn reclaim_entry(&mut self, name: QueueName, entry: u64, error: &JobError, reclaimed: &mut Reclaimed) {
        let Some(held) = self.queue(name).held.remove(&entry) else { return };
        let now = self.clock.now();
        let Some(job) = self.jobs.get_mut(&held.job_id) else { return };
        if job.attempt < job.spec.retry.max_attempts {
            remember(job, JobState::Queued, Some(error), now);
            job.error = Some(error.clone());
            reclaimed.retried += 1;
            self.enqueue(&held.job_id, front_of(held.lane), None);
        } else {
            reclaimed.failed += 1;
            self.fail_job(&held.job_id, error.clone());
        }
    }

    fn fail_job(&mut self, id: &JobId, error: JobError) {
        let now = self.clock.now();
        if let Some(job) = self.jobs.get(id) {
            let finished = finished(job, Outcome::Failed(error), now);
            self.finish_job(id, finished);
        }
    }

    /// Writes the terminal state, unless there is one already, and resolves the completions.
    fn finish_job(&mut self, id: &JobId, finished: Finished) {
        let Some(job) = self.jobs.get(id).filter(|job| !job.state.is_terminal()).cloned() else { return };
        self.free_attempts.remove(id);
        self.queue(job.spec.queue()).finished += u64::from(job.spec.kind == JobKind::Script);
        self.ended.push_back((id.clone(), Instant::now() + job.spec.result_ttl));
        let (old, name, kind) = (job.state, job.spec.queue(), job.spec.kind);
        let ended = job.finish(finished.clone());
        if kind == JobKind::Script {
            let way = (ended.state, ended.error.as_ref().map(|error| error.kind));
            *self.queue(name).ends.entry(way).or_default() += 1;
        }
        self.jobs.insert(id.clone(), ended);
        self.emit_state(id, Some(old));
        for waiter in self.waiters.remove(id).into_iter().flatten() {
            let _caller_gone = waiter.send(finished.clone());
        }
        self.leave_key(id);
    }

    fn note_activity(&mut self, name: QueueName, holder: &Holder) {
        let now = self.clock.now();
        if let Some(presence) = self.queue(name).presences.get_mut(&holder.actor_id) {
            presence.last_job_at = Some(now);
        }
    }
}

/// Adds the attempt of a job to its past ones, once.
fn remember(job: &mut Job, left: JobState, error: Option<&JobError>, ended_at: SystemTime) {
    // The last attempt of a job that was cancelled between two attempts is there already.
    if job.past_attempts.last().is_some_and(|last| last.attempt == job.attempt) {
        return;
    }
    let error = error.map(|error| {
        let message = &error.message;
        let message = message[..message.floor_char_boundary(PAST_ERROR_BYTES)].to_owned();
        JobError { message, log_tail: Vec::new(), ..error.clone() }
    });
    let (attempt, actor_id, started_at) = (job.attempt, job.actor_id.clone(), job.started_at);
    let usage = job.usage.take();
    job.past_attempts.push(PastAttempt { attempt, actor_id, started_at, ended_at, left, error, usage });
    let excess = job.past_attempts.len().saturating_sub(MAX_PAST_ATTEMPTS);
    job.past_attempts.drain(..excess);
}

fn finished(job: &Job, outcome: Outcome, finished_at: SystemTime) -> Finished {
    Finished {
        outcome,
        attempt: job.attempt,
        actor_id: job.actor_id.clone(),
        started_at: job.started_at,
        finished_at,
        usage: job.usage,
        history: History::of(job.progress.clone(), job.past_attempts.clone()),
    }
}

fn lease(entry: u64, job_id: &JobId) -> Lease {
    Lease { token: format!("{entry:020}"), job_id: job_id.clone() }
}

fn entry_of(lease: &Lease) -> Option<u64> {
    lease.token.parse().ok()
}

fn micros(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX / 2)
}

/// The lane in which a job waits again; a pinned job stays in its inbox.
fn front_of(lane: Lane) -> Lane {
    match lane {
        Lane::Inbox(actor) => Lane::Inbox(actor),
        Lane::Front | Lane::Queue => Lane::Front,
    }
}
