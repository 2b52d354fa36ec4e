//! Every job and where it lies; each change is one synchronous step, as a Redis function is.

mod admin;
mod events;
mod leases;
mod outputs;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::adapters::memory::broker::MemoryConfig;
use crate::adapters::memory::broker::state::outputs::Outputs;
use crate::adapters::memory::clock::MemoryClock;
use crate::domain::model::actor::{ActorConfig, ActorRecord};
use crate::domain::model::health::HealthRecord;
use crate::domain::model::id::{ActorId, JobId, RequestId};
use crate::domain::model::job::{
    Finished, History, Job, JobError, JobErrorKind, JobKind, JobState, MAX_PAST_ATTEMPTS, Outcome,
    PastAttempt,
};
use crate::domain::model::scaling::ScalingDecision;
use crate::domain::model::script_type::{PerScriptType, ScriptType};
use crate::domain::model::settings::ScriptTypeSettings;
use crate::ports::actor_presence::{Presence, Reclaimed};
use crate::ports::clock::Clock;
use crate::ports::job_queue::Completion;
use crate::ports::queue_admin::Paused;
use crate::ports::work_queue::{Lease, Work};

/// How long a request id is remembered.
const REQUEST_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Bytes of why an attempt failed that are remembered when another one follows.
const PAST_ERROR_BYTES: usize = 2048;

/// How often one job may be given back without that its attempt counts.
const FREE_ATTEMPTS: u32 = 10;

/// One actor process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::adapters::memory) struct Holder {
    pub(in crate::adapters::memory) actor_id: ActorId,
    pub(in crate::adapters::memory) pid: u32,
}

/// Where an entry lies, in the order of taking.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    /// The inbox of one actor.
    Inbox(ActorId),
    /// What was taken before, or is tried again.
    Front,
    /// What is new.
    Queue,
}

/// Where a job waits: by lane, then by where it stood at first, then by its entry.
type Place = (Lane, u64, u64);

/// A job that waits.
#[derive(Debug)]
struct Waiting {
    job_id: JobId,
    expires: Option<Instant>,
    counted: bool,
}

/// A job that an actor has.
#[derive(Debug)]
struct Held {
    job_id: JobId,
    lane: Lane,
    order: u64,
    holder: Holder,
    until: Instant,
    expires: Option<Instant>,
    /// False for a ping.
    counted: bool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<Place, Waiting>,
    held: BTreeMap<u64, Held>,
    delayed: BTreeMap<JobId, (Instant, Lane)>,
    messages: BTreeMap<Holder, VecDeque<Work>>,
    presences: BTreeMap<ActorId, Presence>,
    paused: Option<Paused>,
    limit: Option<u64>,
    submitted: u64,
    finished: u64,
}

#[derive(Debug)]
pub(in crate::adapters::memory) struct State {
    config: MemoryConfig,
    clock: MemoryClock,
    next_entry: u64,
    jobs: BTreeMap<JobId, Job>,
    ended: VecDeque<(JobId, Instant)>,
    requests: BTreeMap<RequestId, (String, JobId, SystemTime, Instant)>,
    free_attempts: BTreeMap<JobId, u32>,
    waiters: BTreeMap<JobId, Vec<oneshot::Sender<Finished>>>,
    outputs: BTreeMap<JobId, Outputs>,
    queues: PerScriptType<Queue>,
    events: events::EventStreams,
    pub(in crate::adapters::memory) records: BTreeMap<ActorId, ActorRecord>,
    pub(in crate::adapters::memory) templates: BTreeMap<ScriptType, ActorConfig>,
    pub(in crate::adapters::memory) settings: BTreeMap<ScriptType, ScriptTypeSettings>,
    pub(in crate::adapters::memory) healths: BTreeMap<ActorId, HealthRecord>,
    pub(in crate::adapters::memory) decisions: BTreeMap<ScriptType, ScalingDecision>,
    /// Whose turn it is on each node, and for how long.
    pub(in crate::adapters::memory) leaders: BTreeMap<String, (String, Instant)>,
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
            free_attempts: BTreeMap::new(),
            waiters: BTreeMap::new(),
            outputs: BTreeMap::new(),
            queues: PerScriptType::default(),
            events: events::EventStreams::default(),
            records: BTreeMap::new(),
            templates: BTreeMap::new(),
            settings: BTreeMap::new(),
            healths: BTreeMap::new(),
            decisions: BTreeMap::new(),
            leaders: BTreeMap::new(),
            unavailable: false,
        }
    }

    // === the supervisor's side ===

    pub(in crate::adapters::memory) fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    pub(in crate::adapters::memory) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().filter(|job| job.spec.kind == JobKind::Script)
    }

    /// The job that a request made before, with its fingerprint and time.
    pub(in crate::adapters::memory) fn request(&self, id: &RequestId) -> Option<(&str, &JobId, SystemTime)> {
        let (fingerprint, job_id, at, begun) = self.requests.get(id)?;
        (begun.elapsed() < REQUEST_WINDOW).then_some((fingerprint, job_id, *at))
    }

    pub(in crate::adapters::memory) fn note_request(
        &mut self,
        id: RequestId,
        fingerprint: String,
        job: JobId,
    ) {
        self.requests.insert(id, (fingerprint, job, self.clock.now(), Instant::now()));
    }

    pub(in crate::adapters::memory) fn queued(&self, script_type: ScriptType) -> u64 {
        self.queues[script_type].waiting.values().filter(|waiting| waiting.counted).count() as u64
    }

    pub(in crate::adapters::memory) fn running(&self, script_type: ScriptType) -> u64 {
        self.queues[script_type].held.values().filter(|held| held.counted).count() as u64
    }

    pub(in crate::adapters::memory) fn delayed(&self, script_type: ScriptType) -> u64 {
        self.queues[script_type].delayed.len() as u64
    }

    /// Jobs that may wait, if somebody has said so.
    pub(in crate::adapters::memory) fn limit(&self, script_type: ScriptType) -> Option<u64> {
        self.queues[script_type].limit
    }

    pub(in crate::adapters::memory) fn set_limit(&mut self, script_type: ScriptType, limit: Option<u64>) {
        self.queue(script_type).limit = limit;
    }

    pub(in crate::adapters::memory) fn accept(&mut self, job: Job) {
        let (id, script_type) = (job.id.clone(), job.spec.script_type);
        self.queue(script_type).submitted += u64::from(job.spec.kind == JobKind::Script);
        let lane = match &job.spec.target_actor {
            Some(actor) => Lane::Inbox(actor.clone()),
            None => Lane::Queue,
        };
        let due = job.due_at.map(|due| due.duration_since(self.clock.now()).unwrap_or_default());
        self.jobs.insert(id.clone(), job);
        match due {
            Some(delay) => {
                self.emit_state(&id, None);
                self.queue(script_type).delayed.insert(id, (Instant::now() + delay, lane));
            }
            None => self.enqueue(&id, lane, None),
        }
    }

    pub(in crate::adapters::memory) fn completion(&mut self, id: &JobId) -> Option<Completion> {
        if self.jobs.get(id)?.state.is_terminal() {
            return None;
        }
        let (sender, completion) = Completion::pair();
        let waiters = self.waiters.entry(id.clone()).or_default();
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push(sender);
        Some(completion)
    }

    pub(in crate::adapters::memory) fn cancel(&mut self, id: &JobId, reason: &str) {
        let Some(job) = self.jobs.get(id) else { return };
        let finished = finished(job, Outcome::Cancelled(reason.to_owned()), self.clock.now());
        let queue = self.queue(job.spec.script_type);
        queue.delayed.remove(id);
        queue.waiting.retain(|_place, waiting| waiting.job_id != *id);
        let held = queue.held.iter().find(|(_entry, held)| held.job_id == *id).map(|(entry, _held)| *entry);
        if let Some(held) = held.and_then(|entry| queue.held.remove(&entry).map(|held| (entry, held))) {
            let (entry, held) = held;
            let message = Work::Cancelled { lease: lease(entry, id) };
            queue.messages.entry(held.holder).or_default().push_back(message);
        }
        self.finish_job(id, finished);
    }

    pub(in crate::adapters::memory) fn delete(&mut self, id: &JobId) {
        self.emit_deleted(id);
        self.jobs.remove(id);
        self.outputs.remove(id);
        self.waiters.remove(id);
    }

    pub(in crate::adapters::memory) fn reclaim(
        &mut self,
        script_type: ScriptType,
        holder: &Holder,
        error: &JobError,
    ) -> Reclaimed {
        let queue = self.queue(script_type);
        let lost: Vec<u64> =
            queue.held.iter().filter(|(_, held)| held.holder == *holder).map(|(entry, _)| *entry).collect();
        let mut reclaimed = Reclaimed::default();
        for entry in lost {
            self.reclaim_entry(script_type, entry, error, &mut reclaimed);
        }
        let queue = self.queue(script_type);
        queue.messages.remove(holder);
        if queue.presences.get(&holder.actor_id).is_some_and(|presence| presence.pid == holder.pid) {
            queue.presences.remove(&holder.actor_id);
        }
        reclaimed
    }

    pub(in crate::adapters::memory) fn presences(&self, script_type: ScriptType) -> Vec<Presence> {
        let queue = &self.queues[script_type];
        let counted = |presence: &Presence| {
            let of_it = |held: &&Held| {
                held.counted && held.holder.actor_id == presence.actor_id && held.holder.pid == presence.pid
            };
            let held = queue.held.values().filter(of_it);
            Presence { in_flight: u32::try_from(held.count()).unwrap_or(u32::MAX), ..presence.clone() }
        };
        queue.presences.values().map(counted).collect()
    }

    pub(in crate::adapters::memory) fn forget_actor(&mut self, script_type: ScriptType, actor: &ActorId) {
        let queue = self.queue(script_type);
        queue.presences.remove(actor);
        queue.messages.retain(|holder, _hints| holder.actor_id != *actor);
        let pinned = |lane: &Lane| matches!(lane, Lane::Inbox(of) if of == actor);
        let mut lost: Vec<JobId> = Vec::new();
        queue.waiting.retain(|(lane, _order, _entry), waiting| {
            if pinned(lane) {
                lost.push(waiting.job_id.clone());
            }
            !pinned(lane)
        });
        queue.delayed.retain(|id, (_at, lane)| {
            if pinned(lane) {
                lost.push(id.clone());
            }
            !pinned(lane)
        });
        let error = JobError::new(
            JobErrorKind::ActorLost,
            format!("the job was meant for actor {actor} alone, which was deleted"),
        );
        for id in lost {
            self.fail_job(&id, error.clone());
        }
    }

    pub(in crate::adapters::memory) fn message(
        &mut self,
        script_type: ScriptType,
        actor: &ActorId,
        message: Work,
    ) {
        // A message is for the process that is there now; the next one of this name has nothing to do with it.
        let queue = self.queue(script_type);
        let Some(presence) = queue.presences.get(actor) else { return };
        let holder = Holder { actor_id: actor.clone(), pid: presence.pid };
        queue.messages.entry(holder).or_default().push_back(message);
    }

    pub(in crate::adapters::memory) fn maintain(&mut self) {
        let now = Instant::now();
        for script_type in ScriptType::ALL {
            let queue = self.queue(script_type);
            let due: Vec<(JobId, Lane)> = queue
                .delayed
                .iter()
                .filter(|(_id, (at, _lane))| *at <= now)
                .map(|(id, (_at, lane))| (id.clone(), lane.clone()))
                .collect();
            for (id, lane) in due {
                self.queue(script_type).delayed.remove(&id);
                self.enqueue(&id, lane, None);
            }
            let queue = self.queue(script_type);
            let expired: Vec<(u64, ActorId)> = queue
                .held
                .iter()
                .filter(|(_, held)| held.until <= now)
                .map(|(entry, held)| (*entry, held.holder.actor_id.clone()))
                .collect();
            for (entry, actor) in expired {
                let message = format!("the lease of actor {actor} expired: it gave no sign of life");
                let error = JobError::new(JobErrorKind::ActorLost, message);
                self.reclaim_entry(script_type, entry, &error, &mut Reclaimed::default());
            }
            let queue = self.queue(script_type);
            let mut overdue = Vec::new();
            queue.waiting.retain(|_place, waiting| {
                let late = waiting.expires.is_some_and(|expires| expires <= now);
                if late {
                    overdue.push(waiting.job_id.clone());
                }
                !late
            });
            for id in overdue {
                let message = "no actor took the job within its queue timeout";
                self.fail_job(&id, JobError::new(JobErrorKind::QueueTimeout, message));
            }
        }
        let (jobs, outputs) = (&mut self.jobs, &mut self.outputs);
        self.ended.retain(|(id, expires)| {
            let keep = *expires > now;
            if !keep {
                jobs.remove(id);
                outputs.remove(id);
            }
            keep
        });
        while self.ended.len() > self.config.finished_limit {
            if let Some((id, _expires)) = self.ended.pop_front() {
                jobs.remove(&id);
                outputs.remove(&id);
            }
        }
    }

    // === steps that several changes share ===

    fn queue(&mut self, script_type: ScriptType) -> &mut Queue {
        &mut self.queues[script_type]
    }

    /// Makes a job wait; one that was `released` untouched stands where it stood and has no more time than it had.
    fn enqueue(&mut self, id: &JobId, lane: Lane, released: Option<&Held>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let old = Some(job.state).filter(|old| *old != JobState::Queued);
        job.state = JobState::Queued;
        job.due_at = None;
        let script_type = job.spec.script_type;
        let counted = job.spec.kind == JobKind::Script;
        // Only the wait for the first attempt is limited.
        let limit = job.spec.queue_timeout.filter(|_limit| job.attempt == 0);
        let expires = limit.map(|limit| Instant::now() + limit);
        self.next_entry += 1;
        let (order, expires) = match released {
            Some(held) => (held.order, held.expires),
            None => (self.next_entry, expires),
        };
        let place = (lane, order, self.next_entry);
        self.queue(script_type).waiting.insert(place, Waiting { job_id: id.clone(), expires, counted });
        self.emit_state(id, old);
    }

    /// An attempt whose actor is gone.
    fn reclaim_entry(
        &mut self,
        script_type: ScriptType,
        entry: u64,
        error: &JobError,
        reclaimed: &mut Reclaimed,
    ) {
        let Some(held) = self.queue(script_type).held.remove(&entry) else { return };
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

    /// Writes the end, unless there is one already, and tells those who wait for it.
    fn finish_job(&mut self, id: &JobId, finished: Finished) {
        let Some(job) = self.jobs.get(id).filter(|job| !job.state.is_terminal()).cloned() else { return };
        self.free_attempts.remove(id);
        self.queue(job.spec.script_type).finished += u64::from(job.spec.kind == JobKind::Script);
        self.ended.push_back((id.clone(), Instant::now() + job.spec.result_ttl));
        let old = job.state;
        self.jobs.insert(id.clone(), job.finish(finished.clone()));
        self.emit_state(id, Some(old));
        for waiter in self.waiters.remove(id).into_iter().flatten() {
            let _caller_gone = waiter.send(finished.clone());
        }
    }

    fn note_activity(&mut self, script_type: ScriptType, holder: &Holder) {
        let now = self.clock.now();
        if let Some(presence) = self.queue(script_type).presences.get_mut(&holder.actor_id) {
            presence.last_job_at = Some(now);
        }
    }
}

/// Notes the attempt of a job as one that was not the last, once.
fn remember(job: &mut Job, left: JobState, error: Option<&JobError>, ended_at: SystemTime) {
    // A job that was cancelled between two attempts: its last one is there already.
    if job.past_attempts.last().is_some_and(|last| last.attempt == job.attempt) {
        return;
    }
    let error = error.map(|error| {
        let message = &error.message;
        let message = message[..message.floor_char_boundary(PAST_ERROR_BYTES)].to_owned();
        JobError { message, log_tail: Vec::new(), ..error.clone() }
    });
    let (attempt, actor_id, started_at) = (job.attempt, job.actor_id.clone(), job.started_at);
    job.past_attempts.push(PastAttempt { attempt, actor_id, started_at, ended_at, left, error });
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
        history: History::of(job.progress.clone(), job.past_attempts.clone()),
    }
}

fn lease(entry: u64, job_id: &JobId) -> Lease {
    Lease { token: format!("{entry:020}"), job_id: job_id.clone() }
}

fn entry_of(lease: &Lease) -> Option<u64> {
    lease.token.parse().ok()
}

/// What was pinned stays pinned.
fn front_of(lane: Lane) -> Lane {
    match lane {
        Lane::Inbox(actor) => Lane::Inbox(actor),
        Lane::Front | Lane::Queue => Lane::Front,
    }
}
