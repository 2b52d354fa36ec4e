//! The task of an actor: one task owns one actor, writes its record, carries out requests one after another, and
//! reconciles the observed state with the desired one.
//!
//! # The loop
//!
//! One [`select!`](tokio::select) takes one input at a time, in this order, and each input is handled to its end before
//! the next one is taken. After each the status is published, if it changed.
//!
//! ```text
//!   token cancelled ──────────────► leave: answer all who wait, release the lease
//!   Note of the operation ────────► on_note           requests.rs       what the operation does now; an end of the process
//!   end of the operation ─────────► on_end_of_work    requests.rs       record it, answer who waits, decide on queued_requests requests
//!   answer to a heartbeat ────────► on_heartbeat      shared_record.rs
//!   tick, while something goes on ► on_tick           shared_record.rs  send a heartbeat; give up what a dead supervisor did
//!   Edit ─────────────────────────► on_edit           update_config.rs  another definition; the record was changed, or is gone
//!   Request ──────────────────────► on_request        requests.rs       admit: answer, join, park, refuse or begin
//!   Observation ──────────────────► on_observation    observe.rs        ends of processes, orphans, reclaim, reconcile
//!                                        │
//!                                        ▼
//!                                   publish           status.rs         derive_state, event of a changed state, status
//! ```
//!
//! # What runs beside what
//!
//! * At most one **operation** (a start, stop, restart or delete, [`Operation`]) runs. It is a future inside of the task,
//!   polled by the loop, so it goes on while inputs are handled, except while a handler itself waits. It changes nothing of
//!   the record: it tells its progress by [`Note`]s, and its outcome by its end. Dropping it is safe at any moment.
//! * At most one **heartbeat** of that operation is on its way to the store, beside everything else.
//! * Handlers wait for the store, the queue and the process manager, each call with its own deadline. While one waits, no
//!   other input is taken; a forced stop is read after it.
//! * Other supervisors of the node have a task for the same actor. They agree by compare-and-set on the record: whoever
//!   writes the lease of an operation carries it out, and the others wait for it (`foreign`), overtake it, or give it up when
//!   its heartbeat stops.
//!
//! # The life of each field
//!
//! | field | set | cleared, or read last |
//! |---|---|---|
//! | `record` | by every write and every read of the store; by observations, when the store does not answer | with the task |
//! | `dirty` | when `record` has something that the store has not | by the next write, or when another record says the same |
//! | `running` | when an operation begins | at its end, or when another supervisor overtakes it |
//! | `heartbeat`, `last_heartbeat` | every second while `running` has a lease | when it is answered; when `running` ends |
//! | `foreign` | when a lease of another supervisor stands in the record | when it is gone, or ours overtakes it |
//! | `interrupted` | when `foreign` ends: the ends of processes until then were requested | by the first observation that began after it |
//! | `queued_requests` | by requests that wait for `running` or `foreign` | when that has ended: answered, or decided on anew |
//! | `ended_lease` | at the end of an operation: should it still stand in the record, then by mistake | by the next end |
//! | `stale_up_to` | when something was changed: observations that began before show the world before it | grows only |
//! | `recent_ends` | by unrequested ends of the process, and by starts that failed | by a request of a caller |
//! | `next_start` | after a start of our own that failed | by a request of a caller |
//! | `reclaims` | when a process is gone | when the queue has taken its jobs back |
//! | `orphan_pids` | when orphans of the actor are observed | when they have ended |
//! | `started_at` | when a process is first observed, or was started | when it is gone |
//! | `trouble` | when an operation fails, or the actor ends too often | by an operation that succeeds |
//! | `waits_for` | when a start of our own waited for a dependency in vain | by the next end of an operation |
//! | `ended_cause` | while the end of an operation is handled: events of that moment name its cause | at the end of the handler |
//!
//! The states that all this is shown as, and what leads from one to the other, are drawn at
//! [`ActorState`](crate::domain::model::actor::ActorState).

mod events;
mod observe;
mod requests;
mod shared_record;
mod status;
mod update_config;

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::observe::Reclaim;
use self::requests::{QueuedRequest, Running};
use self::shared_record::{Foreign, Heartbeat};
use crate::domain::model::actor::{ActorRecord, Verb};
use crate::domain::model::event::Cause;

use crate::domain::actors::Deps;
use crate::domain::actors::observer::{Observation, Observer};
use crate::domain::actors::operation::{Note, Operation};
use crate::domain::actors::registry::{Registry, TaskEnd};
use crate::domain::actors::restarts::RecentEnds;
use crate::domain::events::Events;
use crate::domain::health::tracker::HealthTracker;
use crate::error::SupervisorError;
use crate::ports::actor_store::{StoreError, Stored};
use crate::ports::process_manager::ProcessState;

/// Times that a change is made anew after another supervisor was faster.
const MOST_TRIES: u32 = 8;
/// How often operations are looked after, our own and those of other supervisors.
const TICK: Duration = Duration::from_millis(250);
/// Time to tell other supervisors that we leave.
const LEAVING: Duration = Duration::from_millis(500);

/// Why a driver ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The manager is closing; the actor goes on.
    Asked,
    /// The actor was deleted, here or by another supervisor of this node.
    Deleted,
}

/// The owner of one actor.
pub(super) struct ActorTask {
    record: ActorRecord,
    dirty: bool,
    parts: Arc<Deps>,
    observer: Observer,
    registry: Registry,
    tracker: HealthTracker,
    end: TaskEnd,
    notes: (mpsc::Sender<Note>, mpsc::Receiver<Note>),
    running: Option<Running>,
    /// What another supervisor of this node is doing.
    foreign: Option<Foreign>,
    /// What another supervisor was doing, until the next look: it may have died before it could note what it had ended.
    interrupted: Option<Verb>,
    /// Wishes that wait for the end of what is under way.
    queued_requests: Vec<QueuedRequest>,
    heartbeat: Option<Heartbeat>,
    last_heartbeat: Instant,
    /// The lease of our latest operation that has ended: should it still stand in the record, then by mistake.
    ended_lease: Option<String>,
    /// Looks up to this one may show the world before our latest operation.
    stale_up_to: u64,
    recent_ends: RecentEnds,
    reclaims: Vec<Reclaim>,
    /// Processes of the actor that live on without being managed.
    orphan_pids: BTreeSet<u32>,
    /// Not before this time is a start of our own tried again.
    next_start: Instant,
    started_at: Option<SystemTime>,
    trouble: String,
    /// The dependency for which the last start of our own waited in vain.
    waits_for: Option<String>,
    /// While the end of an operation is noted: what had brought it about.
    ended_cause: Option<Cause>,
}

impl ActorTask {
    pub(super) fn new(
        record: ActorRecord,
        parts: Arc<Deps>,
        observer: Observer,
        registry: Registry,
        tracker: HealthTracker,
        end: TaskEnd,
    ) -> Self {
        let foreign = record.operation.clone().map(|lease| Foreign::new(lease, false));
        Self {
            record,
            foreign,
            interrupted: None,
            queued_requests: Vec::new(),
            heartbeat: None,
            last_heartbeat: Instant::now(),
            ended_lease: None,
            dirty: false,
            parts,
            observer,
            registry,
            tracker,
            end,
            notes: mpsc::channel(8),
            running: None,
            stale_up_to: 0,
            recent_ends: RecentEnds::default(),
            reclaims: Vec::new(),
            orphan_pids: BTreeSet::new(),
            next_start: Instant::now(),
            started_at: None,
            trouble: String::new(),
            waits_for: None,
            ended_cause: None,
        }
    }

    /// Owns the actor until the end.
    pub(super) async fn run(mut self, token: CancellationToken) -> StopReason {
        let mut observations = self.observer.subscribe();
        observations.mark_changed();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_busy =
                self.running.is_some() || self.foreign.is_some() || !self.queued_requests.is_empty();
            let stop = tokio::select! {
                biased;
                () = token.cancelled() => Some(StopReason::Asked),
                Some(note) = self.notes.1.recv() => {
                    self.on_note(note).await;
                    None
                }
                ended = work_of(&mut self.running) => self.on_end_of_work(ended).await,
                (sent, stored) = heartbeat_of(&mut self.heartbeat) => {
                    self.on_heartbeat(sent, stored);
                    None
                }
                _at = ticks.tick(), if is_busy => self.on_tick().await,
                Some(edit) = self.end.edits.recv() => self.on_edit(edit).await,
                Some(request) = self.end.requests.recv() => self.on_request(request).await,
                Ok(()) = observations.changed() => self.on_observation(&mut observations).await,
                else => Some(StopReason::Asked),
            };
            if let Some(reason) = stop {
                return self.leave(reason).await;
            }
            self.publish();
        }
    }

    /// Answers everybody who still waits, and lets other supervisors go on with the actor.
    async fn leave(&mut self, reason: StopReason) -> StopReason {
        let running = self.running.take();
        let lease = running.as_ref().and_then(|running| running.lease.clone());
        let id = &self.record.id;
        let why = |verb: Verb| match reason {
            StopReason::Asked => Err(SupervisorError::ShuttingDown),
            // Another supervisor has done it.
            StopReason::Deleted if matches!(verb, Verb::Delete { .. }) => Ok(true),
            StopReason::Deleted => Err(SupervisorError::ActorNotFound(id.clone())),
        };
        if let Some(running) = running {
            for reply in running.waiting {
                let _caller_gone = reply.send(why(running.verb));
            }
        }
        for QueuedRequest { request, .. } in self.queued_requests.drain(..) {
            let _caller_gone = request.reply.send(why(request.verb));
        }
        if reason == StopReason::Deleted {
            self.end.set_deleted();
        }
        self.end.requests.close();
        while let Ok(request) = self.end.requests.try_recv() {
            let _caller_gone = request.reply.send(why(request.verb));
        }
        match (reason, lease) {
            (StopReason::Deleted, _) => self.registry.remove(self.record.id.as_str()),
            (StopReason::Asked, Some(lease)) => {
                let _released_or_late = tokio::time::timeout(LEAVING, self.release(lease)).await;
            }
            (StopReason::Asked, None) => {}
        }
        reason
    }

    fn process(&self, observation: &Observation) -> Option<ProcessState> {
        let processes = observation.processes.as_ref()?;
        processes.get(self.record.id.as_str()).filter(|info| !info.foreign).map(|info| info.state)
    }

    pub(super) fn record(&self) -> &ActorRecord {
        &self.record
    }

    pub(super) fn events(&self) -> &Events {
        &self.parts.events
    }

    fn pid_now(&self) -> Option<u32> {
        self.process(&self.observer.latest()).and_then(ProcessState::pid)
    }

    pub(super) fn now(&self) -> SystemTime {
        self.parts.supervisor.clock().now()
    }

    fn operation(&self, lease: Option<String>) -> Operation {
        Operation {
            lease,
            id: self.record.id.clone(),
            config: self.record.config.clone(),
            parts: Arc::clone(&self.parts),
            observer: self.observer.clone(),
            registry: self.registry.clone(),
            notes: self.notes.0.clone(),
        }
    }
}

/// The end of what is under way; never, when nothing is.
async fn work_of(running: &mut Option<Running>) -> Result<(), SupervisorError> {
    match running {
        Some(running) => running.work.as_mut().await,
        None => pending().await,
    }
}

/// What became of the heartbeat that was sent; never, when none was.
async fn heartbeat_of(heartbeat: &mut Option<Heartbeat>) -> (ActorRecord, Result<Stored, StoreError>) {
    match heartbeat {
        Some(heartbeat) => heartbeat.as_mut().await,
        None => pending().await,
    }
}
