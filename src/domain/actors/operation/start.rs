//! Start of an actor: its program, its dependencies, its process, and its readiness.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::environment::environment;
use super::{Note, Operation, SHORT_GRACE, log_tail};
use crate::domain::actors::derive_state::{end_of_process, shown_check, waits_for};
use crate::domain::actors::machine::Progress;
use crate::domain::actors::observer::{Observation, SEEN_END};
use crate::domain::model::actor::{ActorState, ExitStatus, Readiness};
use crate::domain::model::text::{cut, last_lines};
use crate::error::{SupervisorError, chain};
use crate::ports::actor_presence::Presence;
use crate::ports::process_manager::{
    ACTOR_MARK, FailedCheck, ProcessError, ProcessSpec, ProcessState, REALM_MARK,
};

/// A process manager that ends a process for its health check does so by then.
const CHECK_MARGIN: Duration = Duration::from_secs(1);
/// A process manager counts the time of a start from a little before we do.
const CHECK_SLACK: Duration = Duration::from_secs(2);
/// A process that cannot say that it is ready has to live this long: one with a bad flag ends sooner.
const SETTLED: Duration = Duration::from_millis(200);
/// Most bytes of the last lines in an error; the log has the rest.
const LAST_WORDS_BYTES: usize = 600;
/// A dependency that is started with the actor shows that it is by then.
const DEPENDENCY_STARTS: Duration = Duration::from_secs(1);

impl Operation {
    /// Checks the program, waits for dependencies, starts the process and waits until it is ready.
    pub(in crate::domain::actors) async fn start(&self) -> Result<(), SupervisorError> {
        let _hurry = self.observer.hurry();
        let deadline = Instant::now() + self.config.start_timeout;
        self.check_program().await?;
        self.wait_for_dependencies(deadline).await?;
        self.phase(ActorState::Starting, "its process is being started").await;
        let earlier = self.presence().map(|presence| presence.pid);
        let spec = self.process_spec().await;
        self.check_lease().await?;
        if let Err(error) = self.parts.processes.start(&spec).await {
            self.check_lease().await?;
            return Err(match error {
                ProcessError::Rejected { reason } => self.start_failed(reason).await,
                error @ ProcessError::NotFound { .. } => self.start_failed(chain(&error)).await,
                error @ (ProcessError::Unavailable(_)
                | ProcessError::TimedOut { .. }
                | ProcessError::Unsupported { .. }
                | ProcessError::Corrupt(_)) => error.into(),
            });
        }
        let mark = self.observer.mark();
        // Who gives up a health check says more of it than we can.
        let margin = self.config.health_check.as_ref().map_or(Duration::ZERO, |_check| CHECK_MARGIN);
        match timeout_at(deadline + margin, self.wait_until_ready(mark, earlier)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(self.start_failed(reason).await),
            Err(_elapsed) => {
                let reason = format!(
                    "it was not ready within {:?}: {}",
                    self.config.start_timeout,
                    self.why_not_ready()
                );
                Err(self.start_failed(reason).await)
            }
        }
    }

    pub(super) async fn check_program(&self) -> Result<(), SupervisorError> {
        let checked = self.parts.programs.inspect(&self.config.binary, self.config.sha256.as_deref()).await;
        checked.map_err(|fault| SupervisorError::BinaryInvalid {
            path: self.config.binary.clone(),
            reason: fault.to_string(),
        })
    }

    /// Waits until every dependency runs, or has done its work.
    async fn wait_for_dependencies(&self, deadline: Instant) -> Result<(), SupervisorError> {
        let begun = Instant::now();
        let mut observations = self.observer.subscribe();
        loop {
            let missing = {
                let observation = observations.borrow_and_update().clone();
                self.config.dependencies.iter().find(|name| !self.is_met(name, &observation)).cloned()
            };
            let Some(missing) = missing else { return Ok(()) };
            self.phase(ActorState::Blocked, &waits_for(&missing)).await;
            // It was asked to start just before us, and may show its earlier failure for a moment.
            if let Some(why) = self.failure_of(&missing).filter(|_why| begun.elapsed() > DEPENDENCY_STARTS) {
                let actor = self.id.to_string();
                return Err(SupervisorError::DependencyUnmet { actor, dependency: missing, reason: why });
            }
            if timeout_at(deadline, observations.changed()).await.is_err() {
                return Err(SupervisorError::DependencyUnmet {
                    actor: self.id.to_string(),
                    dependency: missing,
                    reason: format!("it was not running within {:?}", self.config.start_timeout),
                });
            }
        }
    }

    /// Returns the reason for which an actor that is depended on will not come by itself.
    fn failure_of(&self, dependency: &str) -> Option<String> {
        let status = self.registry.get(dependency)?.status();
        let given_up = matches!(status.state, ActorState::Failed | ActorState::CrashLoop);
        given_up.then(|| format!("it is {}: {}", status.state, cut(&status.message, LAST_WORDS_BYTES)))
    }

    fn is_met(&self, dependency: &str, observation: &Observation) -> bool {
        if let Some(state) = self.registry.state_of(dependency) {
            return state == ActorState::Running;
        }
        let process = observation.processes.as_ref().and_then(|processes| processes.get(dependency));
        match process.map(|info| info.state) {
            Some(ProcessState::Running { .. }) => true,
            Some(ProcessState::Down { exit: Some(ExitStatus::Code(0)) }) => true,
            Some(
                ProcessState::Waiting
                | ProcessState::Starting { .. }
                | ProcessState::Stopping { .. }
                | ProcessState::Backoff { .. }
                | ProcessState::Down { .. }
                | ProcessState::SpawnFailed,
            )
            | None => false,
        }
    }

    /// Waits for looks that began after the start; the answer of an early end is why.
    async fn wait_until_ready(&self, mark: u64, earlier: Option<u32>) -> Result<(), String> {
        let mut observations = self.observer.subscribe();
        let mut first_seen: Option<(u32, Instant)> = None;
        let begun = Instant::now();
        loop {
            let observation = observations.borrow_and_update().clone();
            if observation.seq > mark {
                match self.process(&observation) {
                    Some(ProcessState::Running { pid }) => {
                        let (first_pid, since) = *first_seen.get_or_insert((pid, Instant::now()));
                        if first_pid != pid {
                            return Err("its process ended and was started again".to_owned());
                        }
                        if self.is_ready(pid, earlier, since.elapsed()) {
                            return Ok(());
                        }
                    }
                    Some(ProcessState::Backoff { exit } | ProcessState::Down { exit: Some(exit) }) => {
                        let late = begun.elapsed() + CHECK_SLACK >= self.config.start_timeout;
                        let unnoted = unnoted_check(exit, late && first_seen.is_none());
                        let failed = self.failed_check(&observation).or(unnoted.as_ref());
                        return Err(end_of_process(&self.config, exit, failed));
                    }
                    Some(ProcessState::SpawnFailed) => {
                        return Err(format!("its program could not be run: {}", self.detail(&observation)));
                    }
                    Some(
                        ProcessState::Starting { .. }
                        | ProcessState::Waiting
                        | ProcessState::Stopping { .. }
                        | ProcessState::Down { exit: None },
                    )
                    | None => {}
                }
            }
            if observations.changed().await.is_err() {
                return Err("the supervisor is shutting down".to_owned());
            }
        }
    }

    fn is_ready(&self, pid: u32, earlier: Option<u32>, lived: Duration) -> bool {
        match self.config.readiness {
            Readiness::Process => lived >= SETTLED,
            // A wrapper script hides the actor's pid; then any new announcement under its name counts.
            Readiness::Queue => {
                self.presence().is_some_and(|presence| presence.pid == pid || Some(presence.pid) != earlier)
            }
        }
    }

    fn why_not_ready(&self) -> String {
        let observation = self.observer.latest();
        match self.process(&observation) {
            Some(ProcessState::Running { .. }) => {
                format!("its process runs, but has not announced itself at the {} queue", self.config.queue())
            }
            Some(ProcessState::Starting { .. }) => match &self.config.health_check {
                Some(check) => {
                    let last = self
                        .failed_check(&observation)
                        .map(|failed| format!("; the last check {}", failed.last));
                    format!(
                        "its health check {:?} has not passed{}",
                        shown_check(check),
                        last.unwrap_or_default()
                    )
                }
                None => "it has not started to run yet".to_owned(),
            },
            Some(
                ProcessState::Waiting
                | ProcessState::Stopping { .. }
                | ProcessState::Backoff { .. }
                | ProcessState::Down { .. }
                | ProcessState::SpawnFailed,
            ) => self.detail(&observation),
            None if observation.processes.is_none() => observation.fault.clone(),
            None => "the process manager does not show it".to_owned(),
        }
    }

    /// Ends what did not come up, and says why with its last words.
    async fn start_failed(&self, reason: String) -> SupervisorError {
        if let Err(overtaken) = self.check_lease().await {
            return overtaken;
        }
        // The process that lives is ended here and now, and whoever observes its end is to know why.
        if let Some(pid) = self.process(&self.observer.latest()).and_then(ProcessState::pid) {
            let progress = Progress::GivenUp { pid, reason: cut(&reason, LAST_WORDS_BYTES).into_owned() };
            let _task_gone = self.notes.send(Note { progress, resume: None }).await;
        }
        let tail = log_tail(self.parts.processes.as_ref(), &self.id).await;
        if let Err(error) = self.parts.processes.stop(self.id.as_str(), SHORT_GRACE).await {
            tracing::warn!(actor.id = %self.id, error = %chain(&error), "actor {}: it failed to start and cannot be stopped", self.id);
        }
        // Whoever has taken the operation over may have ended the process as well.
        if let Err(overtaken) = self.check_lease().await {
            return overtaken;
        }
        let words = last_lines(&tail, LAST_WORDS_BYTES);
        let said = match (words.len(), words.join(" | ")) {
            (0, _) => String::new(),
            (told, words) if told == tail.len() => format!("; it wrote: {words}"),
            (_, words) => format!("; it wrote last: {words}"),
        };
        SupervisorError::ActorStartFailed(
            self.id.to_string(),
            format!("{}{said}", cut(&reason, LAST_WORDS_BYTES)),
        )
    }

    fn detail(&self, observation: &Observation) -> String {
        let info = observation.processes.as_ref().and_then(|processes| processes.get(self.id.as_str()));
        info.map(|info| info.detail.clone()).unwrap_or_default()
    }

    fn failed_check<'a>(&self, observation: &'a Observation) -> Option<&'a FailedCheck> {
        observation.processes.as_ref()?.get(self.id.as_str())?.failed_check.as_ref()
    }

    fn presence(&self) -> Option<Presence> {
        self.observer.latest().presences.get(&self.id).cloned()
    }

    async fn process_spec(&self) -> ProcessSpec {
        let mut env = environment(&self.parts.actor_env, &self.config);
        // A Redis that is away now is no reason not to start; then nobody will take it for an orphan.
        if let Ok(Some(epoch)) = self.parts.store.epoch().await {
            env.insert(REALM_MARK.to_owned(), epoch);
        }
        if let Some(queue) = self.config.queue {
            env.insert("HERO_QUEUE".to_owned(), queue.to_string());
        }
        env.insert(ACTOR_MARK.to_owned(), self.id.to_string());
        let mut restart = self.config.restart;
        restart.backoff = restart.backoff.at_least(SEEN_END);
        // Supervisor and actors must agree on it, so that nobody has to say it twice.
        let lease = self.parts.supervisor.queue().lease();
        env.insert("HERO_LEASE".to_owned(), format!("{}ms", lease.as_millis()));
        ProcessSpec {
            name: self.id.to_string(),
            program: self.config.binary.clone(),
            args: self.config.args.clone(),
            env,
            env_from_file: self.config.env_from_file.clone(),
            working_dir: self.config.working_dir.clone(),
            health_check: self.config.health_check.clone(),
            restart,
            stop_grace: self.config.drain_timeout,
            start_timeout: self.config.start_timeout,
            after: self.config.dependencies.clone(),
            sha256: self.config.sha256.clone(),
            confinement: self.config.confinement.clone(),
        }
    }
}

/// Returns a failed health check where none was noted: a kill of a process that has not run, when its time is over.
fn unnoted_check(exit: ExitStatus, is_late: bool) -> Option<FailedCheck> {
    let killed = exit == ExitStatus::Signal(9) && is_late;
    killed.then(|| FailedCheck { last: "failed, and how was not noted".to_owned(), killed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_kill_is_taken_for_a_failed_health_check() {
        let killed = ExitStatus::Signal(9);
        assert!(unnoted_check(killed, true).is_some_and(|failed| failed.killed));
        for (exit, is_late) in [(killed, false), (ExitStatus::Code(1), true), (ExitStatus::Signal(11), true)]
        {
            assert_eq!(unnoted_check(exit, is_late), None, "{exit} {is_late}");
        }
    }
}
