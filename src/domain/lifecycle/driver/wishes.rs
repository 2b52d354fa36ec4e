//! Wishes: which are carried out, how they end, and what follows for the record.

use std::future::Future;
use std::pin::Pin;

use tokio::time::Instant;

use super::{Driver, MOST_TRIES, StopReason};
use crate::domain::actor::{ActorState, Desired, Fault, FaultKind};
use crate::domain::event::Cause;
use crate::domain::lifecycle::StopOptions;
use crate::domain::lifecycle::admission::{Admission, Verb, admit};
use crate::domain::lifecycle::answers::{Reply, answer};
use crate::domain::lifecycle::operation::{Note, Operation};
use crate::domain::lifecycle::registry::Request;
use crate::domain::lifecycle::view::waits_for;
use crate::error::{SupervisorError, chain};

/// What is under way.
pub(super) struct Running {
    pub(super) verb: Verb,
    pub(super) work: Pin<Box<dyn Future<Output = Result<(), SupervisorError>> + Send>>,
    pub(super) waiting: Vec<Reply>,
    pub(super) phase: (ActorState, String),
    /// What becomes of the actor if a stop of ours was a verdict.
    pub(super) verdict: Option<Fault>,
    /// The definition was changed while it is carried out.
    pub(super) outdated: bool,
    /// Who or what brings it about.
    pub(super) cause: Cause,
}

impl Driver {
    pub(super) async fn on_request(&mut self, request: Request) {
        let Request { verb, options, cause, reply } = request;
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
            Admission::Replace | Admission::Run => self.begin(verb, options, cause, Some(reply)).await,
        }
    }

    /// Stores the wish and begins to carry it out; a wish that cannot be stored is not carried out.
    pub(super) async fn begin(
        &mut self,
        verb: Verb,
        options: StopOptions,
        cause: Cause,
        reply: Option<Reply>,
    ) {
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
            work: Box::pin(carry_out(operation, verb, options)),
            cause,
            waiting: reply.into_iter().collect(),
            phase,
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

    pub(super) async fn on_end_of_work(&mut self, ended: Result<(), SupervisorError>) -> Option<StopReason> {
        while let Ok(note) = self.notes.1.try_recv() {
            self.on_note(note).await;
        }
        self.stale_up_to = self.observer.mark();
        let running = self.running.take()?;
        self.ended_cause = Some(running.cause);
        let by_ourselves = running.waiting.is_empty();
        self.waits_for = None;
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
        if !deleted && let Err(error) = self.store().await {
            tracing::warn!(actor.id = %self.record.id, error = %chain(&error), "what happened to actor {} is stored later", self.record.id);
        }
        self.publish();
        if deleted {
            self.tell_of_end();
        }
        self.ended_cause = None;
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
            if let SupervisorError::DependencyUnmet { dependency, .. } = error {
                self.waits_for = Some(dependency.clone());
            }
            let blocked = self.waits_for.is_some();
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

    pub(super) async fn on_note(&mut self, note: Note) {
        match note {
            Note::Phase(state, message) => {
                if let Some(running) = &mut self.running {
                    running.phase = (state, message);
                }
            }
            Note::Ended { pid, status, log_tail } => self.note_exit(pid, status, true, log_tail).await,
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
