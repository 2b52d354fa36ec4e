//! Stop of an actor: drain, end of its process, and how it ended.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::{Note, Operation, SHORT_GRACE, log_tail};
use crate::domain::actors::machine::Progress;
use crate::domain::model::actor::{ActorState, ExitStatus, StopOptions};
use crate::error::{SupervisorError, chain};
use crate::ports::process_manager::{ProcessError, ProcessState};

/// An actor that was asked to drain and then not stopped (whoever asked is gone) takes up work again this long after
/// the drain should have ended.
const RESUME_MARGIN: Duration = Duration::from_secs(30);
/// Between SIGTERM and SIGKILL for a process that has nothing in its hands, or had its time.
const IDLE_GRACE: Duration = Duration::from_secs(5);
/// An actor that speaks the protocol answers a drain within its next wake-up; one that does not in this time is stopped
/// by signal, which drains as well.
const DRAIN_ANSWER: Duration = Duration::from_secs(10);

impl Operation {
    /// Lets the actor finish what it has, then ends its process and takes back what it could not finish.
    pub(in crate::domain::actors) async fn stop(&self, options: &StopOptions) -> Result<(), SupervisorError> {
        let _hurry = self.observer.hurry();
        let grace = if options.force {
            SHORT_GRACE
        } else {
            // While nobody can end the process, it had better go on working.
            self.parts.processes.probe().await?;
            // Another supervisor may have started it after we last looked.
            self.observer.fresh().await;
            self.drain(options).await
        };
        // Its process manager may have put another process in the place of the drained one.
        let pid = self.process(&self.observer.latest()).and_then(ProcessState::pid);
        self.check_lease().await?;
        self.phase(ActorState::Stopping, "its process was told to end").await;
        if let Err(error) = self.parts.processes.stop(self.id.as_str(), grace).await {
            self.check_lease().await?;
            let unreachable = matches!(error, ProcessError::Unavailable(_) | ProcessError::TimedOut { .. });
            let error = SupervisorError::from(error);
            return Err(if unreachable {
                error
            } else {
                SupervisorError::ActorStopFailed(self.id.to_string(), chain(&error))
            });
        }
        // Also without a process, so that whoever asked sees it as it is now.
        let status = self.exit_status().await;
        if let Some(pid) = pid {
            let log_tail = log_tail(self.parts.processes.as_ref(), &self.id).await;
            let (resume, resumed) = oneshot::channel();
            let progress = Progress::Ended { pid, status, log_tail };
            let _task_gone = self.notes.send(Note { progress, resume: Some(resume) }).await;
            // Whoever requested this finds its jobs reclaimed.
            let _task_gone = resumed.await;
        }
        Ok(())
    }

    /// Asks for a drain and waits for it. Returns the grace period that is left for the signal.
    async fn drain(&self, options: &StopOptions) -> Duration {
        let timeout = options.drain_timeout.unwrap_or(self.config.drain_timeout);
        let observation = self.observer.latest();
        let running = self.process(&observation).and_then(ProcessState::pid);
        // Who never announced itself does not speak the protocol; SIGTERM is all that can be said to it.
        let announced = running.is_some() && observation.presences.contains_key(&self.id);
        if !announced {
            return if running.is_some() { timeout.max(SHORT_GRACE) } else { SHORT_GRACE };
        }
        self.phase(ActorState::Draining, "finishes what it has and takes no new job").await;
        let queue = self.parts.supervisor.queue();
        let asked = queue.request_drain(self.config.queue(), &self.id, timeout + RESUME_MARGIN).await;
        if let Err(error) = asked {
            tracing::warn!(actor.id = %self.id, error = %chain(&error), "actor {}: it is drained by SIGTERM (the queue did not take the request)", self.id);
            return timeout.max(SHORT_GRACE);
        }
        let begun = Instant::now();
        let deadline = begun + timeout;
        let mut observations = self.observer.subscribe();
        loop {
            let observation = observations.borrow_and_update().clone();
            let gone = observation.processes.is_some()
                && self.process(&observation).and_then(ProcessState::pid).is_none();
            let presence = observation.presences.get(&self.id);
            let drained = presence.is_none_or(|presence| presence.draining && presence.in_flight == 0);
            if gone || drained {
                return IDLE_GRACE;
            }
            let deaf = presence.is_some_and(|presence| !presence.draining) && begun.elapsed() > DRAIN_ANSWER;
            if deaf {
                return deadline.saturating_duration_since(Instant::now()).max(SHORT_GRACE);
            }
            if timeout_at(deadline, observations.changed()).await.is_err() {
                return SHORT_GRACE;
            }
        }
    }

    /// Returns the exit status of the process, from an observation that began after the end.
    async fn exit_status(&self) -> ExitStatus {
        let observation = self.observer.fresh().await;
        self.process(&observation).map_or(ExitStatus::Unknown, ProcessState::exit_status)
    }
}
