//! One task owns one actor: it alone writes the actor's record, carries out wishes one after another, and brings what it
//! sees in line with what is wanted.

mod redefine;
mod seen;
mod shown;
mod wishes;

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::seen::Reclaim;
use self::wishes::Running;
use crate::domain::actor::ActorRecord;
use crate::domain::event::{Cause, Events};
use crate::domain::health::book::HealthBook;
use crate::domain::lifecycle::Parts;
use crate::domain::lifecycle::observer::{Observation, Observer};
use crate::domain::lifecycle::operation::{Note, Operation};
use crate::domain::lifecycle::registry::{DriverEnd, Registry};
use crate::domain::lifecycle::restarts::RecentEnds;
use crate::error::SupervisorError;
use crate::ports::actor_store::Stored;
use crate::ports::process_manager::ProcessState;

/// Times that a wish is written again after another supervisor was faster.
const MOST_TRIES: u32 = 5;

/// Why a driver ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The manager is closing; the actor goes on.
    Asked,
    /// The actor was deleted, here or by another supervisor of this node.
    Deleted,
}

/// The owner of one actor.
pub(super) struct Driver {
    record: ActorRecord,
    dirty: bool,
    parts: Arc<Parts>,
    observer: Observer,
    registry: Registry,
    book: HealthBook,
    end: DriverEnd,
    notes: (mpsc::Sender<Note>, mpsc::Receiver<Note>),
    running: Option<Running>,
    /// Looks up to this one may show the world before our latest operation.
    stale_up_to: u64,
    recent_ends: RecentEnds,
    reclaims: Vec<Reclaim>,
    /// Processes of the actor that live on without being managed.
    left_over: BTreeSet<u32>,
    /// Not before this time is a start of our own tried again.
    next_start: Instant,
    started_at: Option<SystemTime>,
    trouble: String,
    /// The dependency for which the last start of our own waited in vain.
    waits_for: Option<String>,
    /// While the end of an operation is noted: what had brought it about.
    ended_cause: Option<Cause>,
}

impl Driver {
    pub(super) fn new(
        record: ActorRecord,
        parts: Arc<Parts>,
        observer: Observer,
        registry: Registry,
        book: HealthBook,
        end: DriverEnd,
    ) -> Self {
        Self {
            record,
            dirty: false,
            parts,
            observer,
            registry,
            book,
            end,
            notes: mpsc::channel(8),
            running: None,
            stale_up_to: 0,
            recent_ends: RecentEnds::default(),
            reclaims: Vec::new(),
            left_over: BTreeSet::new(),
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
        let deleted = self.end.deleted.clone();
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return self.leave(StopReason::Asked),
                () = deleted.cancelled(), if !self.is_deleting() => return self.leave(StopReason::Deleted),
                Some(note) = self.notes.1.recv() => self.on_note(note).await,
                ended = work_of(&mut self.running) => {
                    if self.on_end_of_work(ended).await == Some(StopReason::Deleted) {
                        return self.leave(StopReason::Deleted);
                    }
                }
                Some(edit) = self.end.edits.recv() => self.on_edit(edit).await,
                Some(request) = self.end.requests.recv() => self.on_request(request).await,
                Ok(()) = observations.changed() => {
                    if self.on_observation(&mut observations).await == Some(StopReason::Deleted) {
                        return self.leave(StopReason::Deleted);
                    }
                }
                else => return self.leave(StopReason::Asked),
            }
            self.publish();
        }
    }

    /// Answers everybody who still waits.
    fn leave(&mut self, reason: StopReason) -> StopReason {
        let why = || match reason {
            StopReason::Asked => SupervisorError::ShuttingDown,
            StopReason::Deleted => SupervisorError::ActorNotFound(self.record.id.clone()),
        };
        for reply in self.running.take().into_iter().flat_map(|running| running.waiting) {
            let _caller_gone = reply.send(Err(why()));
        }
        if reason == StopReason::Deleted {
            self.registry.remove(self.record.id.as_str());
        }
        reason
    }

    fn process(&self, observation: &Observation) -> Option<ProcessState> {
        let processes = observation.processes.as_ref()?;
        processes.get(self.record.id.as_str()).map(|info| info.state)
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

    fn operation(&self) -> Operation {
        Operation {
            id: self.record.id.clone(),
            config: self.record.config.clone(),
            parts: Arc::clone(&self.parts),
            observer: self.observer.clone(),
            registry: self.registry.clone(),
            notes: self.notes.0.clone(),
        }
    }

    /// Writes the record. If another supervisor was faster, its wish and definition stand and our history is added.
    async fn store(&mut self) -> Result<(), SupervisorError> {
        if !self.dirty {
            return Ok(());
        }
        match self.parts.store.update(&self.record).await? {
            Stored::Written(generation) => self.record.generation = generation,
            Stored::Conflict(theirs) => {
                let ours = std::mem::replace(&mut self.record, (*theirs).clone());
                self.record.last_pid = ours.last_pid;
                self.record.restart_count = self.record.restart_count.max(ours.restart_count);
                self.record.last_exit = ours.last_exit;
                if theirs.config == ours.config {
                    self.record.outdated = ours.outdated;
                }
                self.dirty = self.record != *theirs;
                return Err(SupervisorError::ActorConflict(ours.id));
            }
            Stored::Missing => return Err(SupervisorError::ActorNotFound(self.record.id.clone())),
        }
        self.dirty = false;
        Ok(())
    }
}

/// The end of what is under way; never, when nothing is.
async fn work_of(running: &mut Option<Running>) -> Result<(), SupervisorError> {
    match running {
        Some(running) => running.work.as_mut().await,
        None => pending().await,
    }
}
