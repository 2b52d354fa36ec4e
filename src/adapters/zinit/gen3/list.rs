//! Lists the services: the state of each, its owner, and whether Zinit restarts it.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::super::owners::Env;
use super::definition::Lifecycle;
use super::states::{Failure, Service, State};
use super::{DYING, Gen3, TOMBSTONE, env_of};
use crate::ports::process_manager::{ProcessError, ProcessInfo, ProcessState};

/// By which Zinit ends a process whose health check does not pass.
const SIGKILL: i32 = nix::sys::signal::Signal::SIGKILL as i32;

impl Gen3 {
    pub(in super::super) async fn list(&self) -> Result<Vec<ProcessInfo>, ProcessError> {
        let asked = Instant::now();
        let services = self.calls.list().await?;
        self.cache.seen(&services, asked);
        let names: HashSet<&str> = services.iter().map(|service| service.name.as_str()).collect();
        self.owners.keep_listed(|name| names.contains(name));
        let mut list = Vec::with_capacity(services.len());
        for service in services.iter().filter(|service| !service.name.starts_with(TOMBSTONE)) {
            let restarts = match &service.state {
                State::Failed(_) | State::Exited { code: Some(0) }
                    if !self.cache.is_stopped(&service.name) =>
                {
                    match self.calls.config(&service.name).await? {
                        Some(config) => self.will_restart(service, Lifecycle::of(&config)).await,
                        None => false,
                    }
                }
                State::Failed(_)
                | State::Exited { .. }
                | State::Inactive
                | State::Blocked { .. }
                | State::Starting { .. }
                | State::Running { .. }
                | State::Stopping { .. } => false,
            };
            let mut state = service.state.to_process(restarts);
            if service.state.is_dying() && self.cache.age_of_end(service) < DYING {
                state = ProcessState::Stopping { pid: None };
            }
            // Zinit is not told of a stop whose grace is longer than its own.
            if let ProcessState::Running { pid } = state
                && self.name_locks.is_stopping(&service.name)
            {
                state = ProcessState::Stopping { pid: Some(pid) };
            }
            let foreign = self.is_foreign(service).await?;
            let (name, detail) = (service.name.clone(), service.state.detail());
            let failed_check =
                if may_have_failed_check(&service.state) { self.shim.failed_check(&name) } else { None };
            list.push(ProcessInfo { name, state, started_at: None, detail, failed_check, foreign });
        }
        Ok(list)
    }

    async fn is_foreign(&self, service: &Service) -> Result<bool, ProcessError> {
        let (name, pid) = (service.name.as_str(), service.state.pid());
        if let Some(foreign) = self.owners.known(name, pid) {
            return Ok(foreign);
        }
        let config = self.calls.config(name).await?;
        Ok(config.is_some_and(|config| self.owners.note(name, pid, &env_of(&config))))
    }

    /// Returns true if an ended service is in backoff.
    async fn will_restart(&self, service: &Service, lifecycle: Lifecycle) -> bool {
        let plain_exit =
            matches!(service.state, State::Exited { .. }) && service.state.may_restart(lifecycle);
        if plain_exit && self.cache.is_new_end(service) {
            // It may be one that an earlier supervisor stopped. What that left is looked at once.
            let disabled_file =
                timeout(Duration::from_secs(1), self.slots.is_autostart_disabled(&service.name)).await;
            if let Ok(Ok(true)) = disabled_file {
                self.cache.stopped(&service.name);
                return false;
            }
        }
        self.cache.will_restart(service, lifecycle)
    }

    /// The environment that a service was defined with.
    pub(in super::super) async fn environment(&self, name: &str) -> Result<Env, ProcessError> {
        Ok(env_of(&self.calls.config(name).await?.unwrap_or_default()))
    }
}

/// Returns true if a health check may have failed: Zinit reports a kill for one as any other kill.
fn may_have_failed_check(state: &State) -> bool {
    match state {
        State::Starting { .. } | State::Failed(Failure::Signal(SIGKILL) | Failure::Start(_)) => true,
        State::Failed(Failure::Signal(_) | Failure::Code(_) | Failure::Spawn(_) | Failure::Dependency(_))
        | State::Inactive
        | State::Blocked { .. }
        | State::Running { .. }
        | State::Stopping { .. }
        | State::Exited { .. } => false,
    }
}
