//! Requests: which are carried out, how they end, and what follows for the record.

use std::future::Future;
use std::pin::Pin;

use tokio::time::Instant;

use super::{ActorTask, MOST_TRIES, StopReason};
use crate::domain::actors::admission::{Admission, AtRest, admit};
use crate::domain::actors::derive_state::waits_for;
use crate::domain::actors::operation::{Note, Operation};
use crate::domain::actors::registry::Request;
use crate::domain::actors::reply::{Reply, answer};
use crate::domain::model::actor::StopOptions;
use crate::domain::model::actor::{ActorConfig, ActorRecord, ActorState, Desired, Fault, FaultKind, Verb};
use crate::domain::model::event::Cause;
use crate::error::{SupervisorError, chain};

/// Upper bound of the requests that wait for the end of an operation.
const MAX_QUEUED_REQUESTS: usize = 64;

/// The operation that is under way.
pub(super) struct Running {
    pub(super) verb: Verb,
    pub(super) work: Pin<Box<dyn Future<Output = Result<(), SupervisorError>> + Send>>,
    pub(super) waiting: Vec<Reply>,
    pub(super) phase: (ActorState, String),
    /// The fault of the actor after this stop, if the stop is a verdict.
    pub(super) verdict: Option<Fault>,
    /// The definition by which it is carried out.
    pub(super) config: ActorConfig,
    /// Its lease; None when Redis was away as it began.
    pub(super) lease: Option<String>,
    /// Who or what brings it about.
    pub(super) cause: Cause,
}

/// A request that waits for the end of an operation.
pub(super) struct QueuedRequest {
    pub(super) request: Request,
    /// Whether that operation does what is requested.
    pub(super) joined: bool,
}

impl ActorTask {
    /// Decides on a request by the record as it is stored now: another supervisor of this node may have written it since it
    /// was last read.
    pub(super) async fn on_request(&mut self, request: Request) -> Option<StopReason> {
        if !self.is_deleting() {
            match self.refresh().await {
                Ok(changed) if changed && self.running.is_none() => {
                    self.observer.fresh().await;
                }
                Ok(_changed) => {}
                Err(error) => {
                    let deleted = matches!(error, SupervisorError::ActorNotFound(_));
                    let _caller_gone = request.reply.send(Err(error));
                    return deleted.then_some(StopReason::Deleted);
                }
            }
        }
        self.decide(request).await;
        None
    }

    async fn decide(&mut self, request: Request) {
        for _try in 0..MOST_TRIES {
            let own = self.running.as_ref().map(|running| running.verb);
            let under_way = own.or(self.foreign.as_ref().map(|foreign| foreign.lease.verb));
            // Nobody knows yet whether the supervisor lives that was at it.
            let in_doubt = own.is_none() && self.foreign.as_ref().is_some_and(|foreign| !foreign.alive);
            let at_rest = AtRest { state: self.view().0, desired: self.record.desired };
            match admit(request.verb, under_way, at_rest) {
                Admission::AlreadySo => {
                    let _caller_gone = request.reply.send(Ok(false));
                    return;
                }
                Admission::Join => {
                    match &mut self.running {
                        Some(running)
                            if request.verb != Verb::Restart
                                || running.config.runs_like(&self.record.config) =>
                        {
                            running.waiting.push(request.reply);
                        }
                        Some(_by_an_earlier_definition) => self.park(request, false),
                        None => self.park(request, !in_doubt),
                    }
                    return;
                }
                Admission::Refuse if in_doubt => return self.park(request, false),
                Admission::Refuse => {
                    let operation = under_way.map_or("another request", Verb::noun);
                    let _caller_gone = request.reply.send(Err(self.busy(operation)));
                    return;
                }
                Admission::Replace | Admission::Run => match self.claim(request.verb, true).await {
                    Ok(Some(lease)) => {
                        let Request { verb, options, cause, reply } = request;
                        self.recent_ends.clear();
                        return self.carry_on(verb, options, cause, Some(reply), Some(lease));
                    }
                    Ok(None) => {}
                    Err(error) => {
                        let _caller_gone = request.reply.send(Err(error));
                        return;
                    }
                },
            }
        }
        let _caller_gone = request.reply.send(Err(SupervisorError::ActorConflict(self.record.id.clone())));
    }

    fn park(&mut self, request: Request, joined: bool) {
        if self.queued_requests.len() < MAX_QUEUED_REQUESTS {
            self.queued_requests.push(QueuedRequest { request, joined });
        } else {
            let _caller_gone = request.reply.send(Err(self.busy("a queue of other requests")));
        }
    }

    /// Answers requests that waited for an operation, or decides on them anew.
    pub(super) async fn settle_queued_requests(&mut self) {
        if self.queued_requests.is_empty() || self.running.is_some() {
            return;
        }
        match &self.foreign {
            Some(foreign) if !foreign.alive => return,
            Some(_alive) => {}
            None => {
                self.observer.fresh().await;
            }
        }
        for QueuedRequest { request, joined } in std::mem::take(&mut self.queued_requests) {
            let at_rest = self.foreign.is_none() && self.running.is_none();
            match self.outcome_for(request.verb).filter(|_outcome| joined && at_rest) {
                Some(outcome) => {
                    let _caller_gone = request.reply.send(outcome);
                }
                None => self.decide(request).await,
            }
        }
    }

    /// Returns the answer to a request which an operation of another supervisor has carried out; None when it did not.
    fn outcome_for(&self, verb: Verb) -> Option<Result<bool, SupervisorError>> {
        let record = &self.record;
        if record.desired == Desired::Down
            && verb.desired() == Desired::Up
            && let Some(Fault { kind: FaultKind::StartFailed, message }) = &record.fault
        {
            let id = record.id.to_string();
            let reason = message.strip_prefix(&format!("actor {id} failed to start: ")).unwrap_or(message);
            return Some(Err(SupervisorError::ActorStartFailed(id, reason.to_owned())));
        }
        let state = self.view().0;
        let done = match verb {
            Verb::Start | Verb::Restart => {
                record.desired == Desired::Up && state == ActorState::Running && !record.outdated
            }
            Verb::Stop { .. } => record.desired == Desired::Down && state == ActorState::Stopped,
            Verb::Delete { .. } => false,
        };
        done.then_some(Ok(true))
    }

    /// Begins an operation that nobody requested, unless another supervisor carries one out.
    pub(super) async fn begin(&mut self, verb: Verb, options: StopOptions, cause: Cause) -> bool {
        let lease = match self.claim(verb, false).await {
            Ok(Some(lease)) => Some(lease),
            Ok(None) | Err(SupervisorError::ActorNotFound(_)) => return false,
            // A Redis that is away is no reason to leave a process as it is not to be.
            Err(error) => {
                tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: {} begins without a lease (the store does not answer)", self.record.id, verb.noun());
                None
            }
        };
        self.carry_on(verb, options, cause, None, lease);
        true
    }

    fn carry_on(
        &mut self,
        verb: Verb,
        options: StopOptions,
        cause: Cause,
        reply: Option<Reply>,
        lease: Option<String>,
    ) {
        let operation = self.operation(lease.clone());
        let phase = match (verb, &self.waits_for) {
            // One more try is no news for those who watch: it waits as before.
            (Verb::Start, Some(dependency)) => (ActorState::Blocked, waits_for(dependency)),
            (Verb::Start, None) => (ActorState::Starting, String::new()),
            (Verb::Stop { .. } | Verb::Restart | Verb::Delete { .. }, _) => {
                (ActorState::Stopping, String::new())
            }
        };
        self.running = Some(Running {
            verb,
            lease,
            config: operation.config.clone(),
            work: Box::pin(carry_out(operation, verb, options)),
            cause,
            waiting: reply.into_iter().collect(),
            phase,
            verdict: None,
        });
        self.foreign = None;
        (self.heartbeat, self.last_heartbeat) = (None, Instant::now());
    }

    pub(super) async fn on_end_of_work(&mut self, ended: Result<(), SupervisorError>) -> Option<StopReason> {
        while let Ok(note) = self.notes.1.try_recv() {
            self.on_note(note).await;
        }
        self.stale_up_to = self.observer.mark();
        self.heartbeat = None;
        let Running { verb, lease, config, waiting, verdict, cause, .. } = self.running.take()?;
        self.ended_cause = Some(cause);
        self.waits_for = None;
        let deleted = ended.is_ok() && matches!(verb, Verb::Delete { .. });
        let overtaken = matches!(ended, Err(SupervisorError::OperationInProgress { .. }));
        let mut fault = None;
        match &ended {
            _ if overtaken => {}
            Ok(()) => {
                self.trouble.clear();
                self.started_at = (verb.desired() == Desired::Up).then(|| self.now());
                fault = verdict;
            }
            Err(error) if verb.desired() == Desired::Up => {
                fault = self.note_failed_start(error, waiting.is_empty());
            }
            Err(error) => self.trouble = chain(error),
        }
        if let Err(error) = &ended {
            tracing::warn!(actor.id = %self.record.id, error = %chain(error), "actor {}: {} failed", self.record.id, verb.noun());
        }
        let pid = self.pid_now();
        let is_ours =
            |record: &ActorRecord| record.operation.as_ref().map(|operation| &operation.id) == lease.as_ref();
        let note = |record: &mut ActorRecord| {
            if !is_ours(record) {
                return false;
            }
            record.operation = None;
            match (&ended, verb) {
                (Ok(()), Verb::Start | Verb::Restart) => {
                    record.last_pid = pid;
                    // It may have been changed while it was carried out.
                    record.outdated = !config.runs_like(&record.config);
                }
                (Ok(()), Verb::Stop { .. }) => record.outdated = false,
                (Ok(()), Verb::Delete { .. }) | (Err(_), _) => {}
            }
            if let Some(fault) = &fault {
                record.fault = Some(fault.clone());
                record.desired = Desired::Down;
            }
            true
        };
        let mut ended_as = Ok(());
        if overtaken {
            if let Err(error) = self.refresh().await {
                tracing::debug!(actor.id = %self.record.id, error = %chain(&error), "actor {}: an operation was overtaken (by whom cannot be read yet)", self.record.id);
            }
        } else if !deleted {
            match self.change(note).await {
                Ok(true) => {}
                // Another supervisor decides now, by what it sees itself.
                Ok(false) => ended_as = Err(self.superseded()),
                Err(error) => {
                    tracing::warn!(actor.id = %self.record.id, error = %chain(&error), "actor {}: the end of an operation is not stored yet (the store does not answer)", self.record.id);
                    self.dirty |= note(&mut self.record);
                }
            }
        }
        self.ended_lease = lease;
        self.look_at_lease();
        self.publish();
        if deleted {
            self.tell_of_end();
        }
        self.ended_cause = None;
        answer(waiting, ended.and(ended_as));
        self.settle_queued_requests().await;
        deleted.then_some(StopReason::Deleted)
    }

    /// A start that somebody asked for and that failed is given up, which is the answer; our own are tried again, ever
    /// more slowly.
    fn note_failed_start(&mut self, error: &SupervisorError, by_ourselves: bool) -> Option<Fault> {
        self.trouble = chain(error);
        self.started_at = None;
        let given_up = |kind, message: &String| Some(Fault { kind, message: message.clone() });
        let unavailable = error.is_unavailable();
        if !by_ourselves && !unavailable {
            return given_up(FaultKind::StartFailed, &self.trouble);
        }
        let policy = self.record.config.restart;
        // What it waits for is no fault of its own.
        if let SupervisorError::DependencyUnmet { dependency, .. } = error {
            self.waits_for = Some(dependency.clone());
        }
        let blocked = self.waits_for.is_some();
        let too_many = !unavailable && !blocked && self.recent_ends.note(&policy, Instant::now());
        let attempt = self.recent_ends.count().max(1);
        self.next_start = Instant::now() + policy.backoff.delay(attempt, fastrand::f64());
        if too_many { given_up(FaultKind::CrashLoop, &self.trouble) } else { None }
    }

    pub(super) async fn on_note(&mut self, note: Note) {
        match note {
            Note::Phase(state, message) => {
                if let Some(running) = &mut self.running {
                    running.phase = (state, message);
                }
            }
            Note::Ended { pid, status, log_tail } => {
                // An end during the drain has been seen by then.
                if self.record.last_exit.as_ref().is_none_or(|exit| exit.pid != pid) {
                    self.note_end(pid, status, log_tail).await;
                }
            }
        }
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
