//! One task owns one actor: it alone writes the actor's record, carries out wishes one after another, and brings what it
//! sees in line with what is wanted.

mod redefine;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::actor::{
    ActorRecord, ActorState, ActorStatus, Desired, ExitStatus, Fault, FaultKind, LastExit, Pid,
};
use crate::domain::event::{Events, Source};
use crate::domain::health::book::HealthBook;
use crate::domain::job::JobError;
use crate::domain::lifecycle::admission::{Admission, Verb, admit};
use crate::domain::lifecycle::answers::{Reply, answer};
use crate::domain::lifecycle::observer::{Observation, Observer};
use crate::domain::lifecycle::operation::{Note, Observations, Operation, actor_lost};
use crate::domain::lifecycle::reconcile::needed;
use crate::domain::lifecycle::registry::{DriverEnd, Registry, Request};
use crate::domain::lifecycle::restarts::RecentEnds;
use crate::domain::lifecycle::view::{View, derive};
use crate::domain::lifecycle::{Parts, StopOptions};
use crate::error::{SupervisorError, chain};
use crate::ports::actor_store::Stored;
use crate::ports::process_manager::ProcessState;

/// Ends of processes whose jobs could not be taken back yet, Redis being away. The leases serve the rest.
const MOST_PENDING_RECLAIMS: usize = 16;
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

/// What is under way.
struct Running {
    verb: Verb,
    work: Pin<Box<dyn Future<Output = Result<(), SupervisorError>> + Send>>,
    waiting: Vec<Reply>,
    phase: (ActorState, String),
    /// What becomes of the actor if a stop of ours was a verdict.
    verdict: Option<Fault>,
    /// The definition was changed while it is carried out.
    outdated: bool,
    /// Whether somebody asked for it.
    asked: bool,
}

/// Jobs of a process that is gone, to be taken back.
struct Reclaim {
    pid: u32,
    error: JobError,
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
    /// Not before this time is a start of our own tried again.
    next_start: Instant,
    started_at: Option<SystemTime>,
    trouble: String,
    /// While the end of an operation is noted: whether somebody had asked for it.
    ended_asked: Option<bool>,
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
            next_start: Instant::now(),
            started_at: None,
            trouble: String::new(),
            ended_asked: None,
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

    // === wishes ===

    async fn on_request(&mut self, request: Request) {
        let Request { verb, options, reply } = request;
        let running = self.running.as_ref().map(|running| running.verb);
        match admit(verb, running, self.view().0) {
            Admission::AlreadySo => {
                let desired = if verb == Verb::Start { Desired::Up } else { Desired::Down };
                let stored = self.wish_for(desired).await;
                let _caller_gone = reply.send(stored.map(|()| false));
            }
            Admission::Join => {
                if let Some(running) = &mut self.running {
                    running.waiting.push(reply);
                }
            }
            Admission::Refuse => {
                let operation = running.map_or("another request", Verb::noun);
                let id = self.record.id.clone();
                let _caller_gone = reply.send(Err(SupervisorError::OperationInProgress { id, operation }));
            }
            Admission::Replace | Admission::Run => self.begin(verb, options, Some(reply)).await,
        }
    }

    /// Stores the wish and begins to carry it out; a wish that cannot be stored is not carried out.
    async fn begin(&mut self, verb: Verb, options: StopOptions, reply: Option<Reply>) {
        let desired = match verb {
            Verb::Start | Verb::Restart => Desired::Up,
            Verb::Stop { .. } | Verb::Delete { .. } => Desired::Down,
        };
        if reply.is_some() {
            self.recent_ends.clear();
            if let Err(error) = self.wish_for(desired).await {
                if let Some(reply) = reply {
                    let _caller_gone = reply.send(Err(error));
                }
                return;
            }
        }
        if let Some(replaced) = self.running.take() {
            for reply in replaced.waiting {
                let id = self.record.id.clone();
                let overtaken = SupervisorError::OperationInProgress { id, operation: verb.noun() };
                let _caller_gone = reply.send(Err(overtaken));
            }
        }
        let operation = self.operation();
        let phase = match verb {
            Verb::Start => ActorState::Starting,
            Verb::Stop { .. } | Verb::Restart | Verb::Delete { .. } => ActorState::Stopping,
        };
        self.running = Some(Running {
            verb,
            work: Box::pin(carry_out(operation, verb, options)),
            asked: reply.is_some(),
            waiting: reply.into_iter().collect(),
            phase: (phase, String::new()),
            verdict: None,
            outdated: false,
        });
    }

    /// Records what is wanted, if it was something else. Whoever wishes last is heard, so a record that another
    /// supervisor has changed in between is no reason to refuse.
    async fn wish_for(&mut self, desired: Desired) -> Result<(), SupervisorError> {
        let mut tries = 0;
        while self.record.desired != desired || self.record.fault.is_some() || self.dirty {
            self.record.desired = desired;
            self.record.fault = None;
            self.dirty = true;
            tries += 1;
            match self.store().await {
                Err(SupervisorError::ActorConflict(_)) if tries < MOST_TRIES => {}
                stored => return stored,
            }
        }
        Ok(())
    }

    async fn on_end_of_work(&mut self, ended: Result<(), SupervisorError>) -> Option<StopReason> {
        while let Ok(note) = self.notes.1.try_recv() {
            self.on_note(note).await;
        }
        self.stale_up_to = self.observer.mark();
        let running = self.running.take()?;
        self.ended_asked = Some(running.asked);
        let by_ourselves = running.waiting.is_empty();
        match (&ended, running.verb) {
            (Ok(()), Verb::Start | Verb::Restart) => {
                self.trouble.clear();
                self.started_at = Some(self.now());
                self.record.last_pid = self.pid_now();
                self.record.outdated = running.outdated;
                self.dirty = true;
            }
            (Ok(()), Verb::Stop { .. }) => {
                self.trouble.clear();
                self.started_at = None;
                if self.record.outdated {
                    self.record.outdated = false;
                    self.dirty = true;
                }
                if let Some(verdict) = running.verdict {
                    self.record.fault = Some(verdict);
                    self.dirty = true;
                }
            }
            (Ok(()), Verb::Delete { .. }) => {}
            (Err(error), Verb::Start | Verb::Restart) => self.note_failed_start(error, by_ourselves),
            (Err(error), Verb::Stop { .. } | Verb::Delete { .. }) => self.trouble = chain(error),
        }
        if let Err(error) = &ended {
            tracing::warn!(actor.id = %self.record.id, error = %chain(error), "{} of actor {} failed", running.verb.noun(), self.record.id);
        }
        let deleted = ended.is_ok() && matches!(running.verb, Verb::Delete { .. });
        if deleted {
            self.tell_of_end();
        }
        if !deleted && let Err(error) = self.store().await {
            tracing::warn!(actor.id = %self.record.id, error = %chain(&error), "what happened to actor {} is stored later", self.record.id);
        }
        self.publish();
        self.ended_asked = None;
        answer(running.waiting, ended);
        deleted.then_some(StopReason::Deleted)
    }

    /// A start that somebody asked for and that failed is given up; our own are tried again, ever more slowly.
    fn note_failed_start(&mut self, error: &SupervisorError, by_ourselves: bool) {
        self.trouble = chain(error);
        self.started_at = None;
        let unavailable = matches!(
            error,
            SupervisorError::ProcessManagerUnavailable(_) | SupervisorError::QueueUnavailable(_)
        );
        if by_ourselves || unavailable {
            let policy = self.record.config.restart;
            // What it waits for is no fault of its own.
            let blocked = matches!(error, SupervisorError::DependencyUnmet { .. });
            let too_many = !unavailable && !blocked && self.recent_ends.note(&policy, Instant::now());
            let attempt = self.recent_ends.count().max(1);
            self.next_start = Instant::now() + policy.backoff.delay(attempt, fastrand::f64());
            if too_many {
                self.give_up(FaultKind::CrashLoop);
            }
        } else {
            self.give_up(FaultKind::StartFailed);
        }
    }

    fn give_up(&mut self, kind: FaultKind) {
        self.record.fault = Some(Fault { kind, message: self.trouble.clone() });
        self.record.desired = Desired::Down;
        self.dirty = true;
    }

    async fn on_note(&mut self, note: Note) {
        match note {
            Note::Phase(state, message) => {
                if let Some(running) = &mut self.running {
                    running.phase = (state, message);
                }
            }
            Note::Ended { pid, status, log_tail } => self.note_exit(pid, status, true, log_tail).await,
        }
    }

    // === what is seen ===

    async fn on_observation(&mut self, observations: &mut Observations) -> Option<StopReason> {
        let observation = observations.borrow_and_update().clone();
        if observation.processes.is_none() || observation.seq <= self.stale_up_to {
            return None;
        }
        let process = self.process(&observation);
        let stopping = self.running.as_ref().is_some_and(|running| running.phase.0 == ActorState::Stopping);
        if !stopping {
            if self.has_stray(process).await {
                return None;
            }
            self.compare_pids(process).await;
        }
        self.take_back_jobs().await;
        if self.running.is_none() {
            match self.store().await {
                Ok(()) => {}
                // Who deleted it has ended its process; to start it now would bring it back.
                Err(SupervisorError::ActorNotFound(_)) => return Some(StopReason::Deleted),
                Err(error) => {
                    tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {} is stored later", self.record.id);
                }
            }
            self.reconcile(process).await;
        }
        None
    }

    /// Whether what is under way is our own delete.
    fn is_deleting(&self) -> bool {
        self.running.as_ref().is_some_and(|running| matches!(running.verb, Verb::Delete { .. }))
    }

    /// Whether the process seen last lives on although it is no longer managed. Until it has ended, its jobs are not taken
    /// back and nothing else is started.
    async fn has_stray(&mut self, process: Option<ProcessState>) -> bool {
        let Some(last) = self.record.last_pid else { return false };
        if process.and_then(ProcessState::pid) == Some(last) {
            return false;
        }
        let grace = self.record.config.drain_timeout;
        self.parts.processes.end_stray(self.record.id.as_str(), last, grace).await.unwrap_or(false)
    }

    /// Notes that the process seen last is gone, and the one that has come instead.
    async fn compare_pids(&mut self, process: Option<ProcessState>) {
        let pid = process.and_then(ProcessState::pid);
        let Some(last) = self.record.last_pid else {
            if pid.is_some() {
                self.record.last_pid = pid;
                self.started_at = Some(self.now());
                self.dirty = true;
            }
            return;
        };
        if pid == Some(last) {
            return;
        }
        let status = match process {
            Some(ProcessState::Backoff { exit } | ProcessState::Down { exit: Some(exit) }) => exit,
            Some(
                ProcessState::Down { exit: None }
                | ProcessState::Waiting
                | ProcessState::Starting { .. }
                | ProcessState::Running { .. }
                | ProcessState::Stopping { .. }
                | ProcessState::SpawnFailed,
            )
            | None => ExitStatus::Unknown,
        };
        // Another supervisor of this node may have asked for it: then its wish stands in the record by now.
        self.dirty = true;
        if let Err(error @ SupervisorError::ActorNotFound(_)) = self.store().await {
            tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {} was deleted by another supervisor", self.record.id);
            return;
        }
        let requested = self.record.desired == Desired::Down && self.running.is_none();
        let log_tail = self.operation().log_tail().await;
        self.note_exit(last, status, requested, log_tail).await;
        self.record.last_pid = pid;
        self.started_at = pid.map(|_pid| self.now());
    }

    async fn note_exit(&mut self, pid: u32, status: ExitStatus, requested: bool, log_tail: Vec<String>) {
        let error = actor_lost(&self.record.id, status, requested, log_tail.clone());
        if self.reclaims.len() < MOST_PENDING_RECLAIMS {
            self.reclaims.push(Reclaim { pid, error });
        }
        self.take_back_jobs().await;
        let at = self.now();
        let exit = LastExit { status, at, pid, requested, log_tail };
        self.tell_of_exit(&exit);
        self.record.last_exit = Some(exit);
        self.record.last_pid = None;
        self.dirty = true;
        if requested {
            return;
        }
        self.record.restart_count = self.record.restart_count.saturating_add(1);
        tracing::warn!(actor.id = %self.record.id, pid, "actor {} ended with {status}", self.record.id);
        let policy = self.record.config.restart;
        if self.recent_ends.note(&policy, Instant::now()) && self.running.is_none() {
            let message = format!(
                "it ended more than {} times within {:?}, the last time with {status}; start it again when it is mended",
                policy.max_restarts, policy.window
            );
            self.trouble.clone_from(&message);
            self.record.desired = Desired::Down;
            self.begin(
                Verb::Stop { force: true },
                StopOptions { force: true, ..StopOptions::default() },
                None,
            )
            .await;
            if let Some(running) = &mut self.running {
                running.verdict = Some(Fault { kind: FaultKind::CrashLoop, message });
            }
        }
    }

    /// Takes back jobs of processes that are gone; what Redis does not hear now is said again at the next look.
    async fn take_back_jobs(&mut self) {
        let queue = Arc::clone(self.parts.supervisor.queue());
        while let Some(reclaim) = self.reclaims.first() {
            let script_type = self.record.config.script_type;
            match queue.reclaim(script_type, &self.record.id, reclaim.pid, &reclaim.error).await {
                Ok(reclaimed) => {
                    if reclaimed != Default::default() {
                        tracing::info!(actor.id = %self.record.id, retried = reclaimed.retried, failed = reclaimed.failed, "took back the jobs of actor {}", self.record.id);
                    }
                    self.reclaims.remove(0);
                }
                Err(error) => {
                    tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "jobs of actor {} are taken back later", self.record.id);
                    return;
                }
            }
        }
    }

    /// Brings the world in line with the wish.
    async fn reconcile(&mut self, process: Option<ProcessState>) {
        let last_exit = self.record.last_exit.as_ref().map(|last| last.status);
        let wanted = needed(
            self.record.desired,
            self.record.config.restart.mode,
            last_exit,
            process,
            self.record.outdated,
        );
        let Some(verb) = wanted else { return };
        if verb == Verb::Start && Instant::now() < self.next_start {
            return;
        }
        tracing::info!(actor.id = %self.record.id, "actor {} is not as wanted: {}", self.record.id, verb.noun());
        self.begin(verb, StopOptions::default(), None).await;
    }

    // === what is shown ===

    fn publish(&mut self) {
        let (state, message) = self.view();
        let observation = self.observer.latest();
        let presence = observation.presences.get(&self.record.id);
        let process = self.process(&observation);
        let before = self.end.status.borrow().clone();
        let pid = process.and_then(ProcessState::pid).filter(|_pid| state != ActorState::Stopped);
        let status = ActorStatus {
            record: self.record.clone(),
            state,
            pid: Pid(pid),
            message,
            state_since: if before.state == state { before.state_since } else { self.now() },
            started_at: self.started_at,
            in_flight: presence.map_or(0, |presence| presence.in_flight),
            last_job_at: presence.and_then(|presence| presence.last_job_at).or(before.last_job_at),
            health: self.book.health(&self.record.id, pid),
        };
        if status.state != before.state {
            self.tell_of_state(before.state, &status);
        }
        self.end.status.send_if_modified(|shown| {
            let changed = *shown != status;
            if changed {
                *shown = status;
            }
            changed
        });
    }

    fn view(&self) -> (ActorState, String) {
        let observation = self.observer.latest();
        derive(&View {
            phase: self.running.as_ref().map(|running| (running.phase.0, running.phase.1.as_str())),
            record: &self.record,
            process: self.process(&observation),
            reachable: observation.processes.is_some(),
            fault: &observation.fault,
            presence: observation.presences.get(&self.record.id),
            trouble: &self.trouble,
        })
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

    /// Who brings about what happens now: whoever waits for it, ourselves, or nobody here.
    pub(super) fn source(&self) -> Source {
        match self.running.as_ref().map(|running| running.asked).or(self.ended_asked) {
            Some(true) => Source::Caller,
            Some(false) => Source::Supervisor,
            None => Source::ProcessManager,
        }
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

async fn carry_out(operation: Operation, verb: Verb, options: StopOptions) -> Result<(), SupervisorError> {
    match verb {
        Verb::Start => operation.start().await,
        Verb::Stop { .. } => operation.stop(&options).await,
        Verb::Restart => operation.restart(&options).await,
        Verb::Delete { .. } => operation.delete(&options).await,
    }
}

/// The end of what is under way; never, when nothing is.
async fn work_of(running: &mut Option<Running>) -> Result<(), SupervisorError> {
    match running {
        Some(running) => running.work.as_mut().await,
        None => pending().await,
    }
}
