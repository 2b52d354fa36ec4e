//! Ends a service for good.

use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::super::client::CallError;
use super::definition::Lifecycle;
use super::slots::Refusal;
use super::states::State;
use super::{AFTER_KILL, Gen3, ROUNDS, busy, env_of, refused, rejected};
use crate::domain::model::actor::RestartMode;
use crate::ports::process_manager::ProcessError;

impl Gen3 {
    /// Ends a service for good: its process, what that left behind, and the timer that would start it again.
    pub(super) async fn end(
        &self,
        name: &str,
        kill_at: impl Fn() -> Option<Instant>,
    ) -> Result<(), ProcessError> {
        for _round in 0..ROUNDS {
            let Some(state) = self.state(name).await? else { return Ok(()) };
            let Some(config) = self.calls.config(name).await? else { return Ok(()) };
            if self.owners.judge(name, &env_of(&config)).is_err() {
                return Ok(());
            }
            let lifecycle = Lifecycle::of(&config);
            let mut was_stopping = false;
            if state.is_active() {
                if state.pid().is_none() && matches!(state, State::Running { .. }) {
                    return Err(rejected(name, "is a target, which has no process"));
                }
                was_stopping = self.end_process(name, state, lifecycle, &kill_at).await?;
            } else if let State::Blocked { .. } = state {
                self.calls.stop(name).await?;
            }
            if self.settle(name, lifecycle, was_stopping).await? {
                return Ok(());
            }
        }
        Err(busy(name))
    }

    /// Ends the process of a service. True when Zinit itself was stopping it, so that it will not restart it.
    async fn end_process(
        &self,
        name: &str,
        mut state: State,
        lifecycle: Lifecycle,
        kill_at: &impl Fn() -> Option<Instant>,
    ) -> Result<bool, ProcessError> {
        let begun = Instant::now();
        let end = || kill_at().unwrap_or(begun);
        // Zinit kills by its own timer, which would be too early; so it must not know.
        let outlasts = end() > begun + lifecycle.stop_timeout + Duration::from_millis(100);
        let mut leader = None;
        let mut told = false;
        let mut killed = false;
        let mut was_stopping = false;
        let mut pause = Duration::from_millis(2);
        loop {
            let pid = state.pid();
            match &state {
                State::Stopping { .. } => was_stopping = true,
                State::Starting { pid: Some(_) } | State::Running { .. }
                    if leader.is_some() && pid != leader =>
                {
                    // It ended and was restarted before we saw it.
                    break;
                }
                State::Starting { pid: Some(_) } | State::Running { .. } if !told => {
                    let notice = if outlasts {
                        self.calls.kill(name, Signal::SIGTERM as i32).await
                    } else {
                        self.calls.stop(name).await
                    };
                    told = has_arrived(notice)?;
                    // Looked at again at once: only one that was seen stopping is known not to be restarted.
                    pause = if told { Duration::ZERO } else { pause };
                }
                State::Starting { .. } | State::Running { .. } => {}
                State::Inactive | State::Blocked { .. } | State::Exited { .. } | State::Failed(_) => break,
            }
            leader = leader.or(pid);
            let now = Instant::now();
            if now >= end() && !killed && pid.is_some() {
                killed = has_arrived(self.calls.kill(name, Signal::SIGKILL as i32).await)?;
            }
            if now >= end() + AFTER_KILL {
                return Err(ProcessError::TimedOut { after: now - begun });
            }
            if !pause.is_zero() {
                sleep(pause).await;
            }
            pause = (pause * 2).clamp(Duration::from_millis(2), Duration::from_millis(50));
            match self.calls.state(name).await? {
                Some(next) => state = next,
                None => break,
            }
        }
        self.end_group(leader).await;
        Ok(was_stopping)
    }

    /// Kills what an ended process left in its group: Zinit no longer does once the leader is gone.
    async fn end_group(&self, leader: Option<u32>) {
        let Some(leader) = leader.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1) else {
            return;
        };
        // Its numbers mean something to us only where we see the same processes.
        if self.calls.reads.who(Duration::from_secs(2)).await.is_ok_and(|found| found.server.is_some()) {
            let _nobody_left = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }

    /// Sees to it that an ended service stays so; false when it runs again.
    pub(super) async fn settle(
        &self,
        name: &str,
        lifecycle: Lifecycle,
        was_stopping: bool,
    ) -> Result<bool, ProcessError> {
        let Some(state) = self.state(name).await? else { return Ok(true) };
        if state.is_active() {
            return Ok(false);
        }
        let by_our_stop = was_stopping && matches!(state, State::Exited { .. });
        if !by_our_stop && !self.is_settled(name, &state, lifecycle).await? {
            self.calls.stop(name).await?;
            return match self.slots.delete(name).await {
                Ok(()) => Ok(true),
                Err(Refusal::Active) => Ok(false),
                Err(refusal) => Err(refused(name, refusal)),
            };
        }
        self.cache.stopped(name);
        self.slots.disable_autostart(name).await.map_err(|refusal| refused(name, refusal))?;
        Ok(true)
    }

    /// Returns true if no timer can start this ended service.
    pub(super) async fn is_settled(
        &self,
        name: &str,
        state: &State,
        lifecycle: Lifecycle,
    ) -> Result<bool, ProcessError> {
        if lifecycle.restart == RestartMode::Never
            || !state.may_restart(lifecycle)
            || self.cache.is_stopped(name)
        {
            return Ok(true);
        }
        self.slots.is_autostart_disabled(name).await.map_err(|refusal| refused(name, refusal))
    }
}

/// False when there was no process group to signal: the process ended just now, or it was spawned just now and has
/// not made its group yet. The state tells which.
pub(super) fn has_arrived(answer: Result<(), CallError>) -> Result<bool, CallError> {
    match answer {
        Ok(()) => Ok(true),
        Err(CallError::Refused { message, .. })
            if message.contains("not running") || message.contains("ESRCH") =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
