//! The Rust API's way to a [`Supervisor`] and an [`ActorLifecycleManager`]: say what differs from the defaults, build.
//!
//! Building contacts nobody; the first call does.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::adapters;
use crate::adapters::program_files::ProgramFiles;
use crate::adapters::redis::RedisConfig;
use crate::adapters::zinit::ZinitProcessManager;
use crate::config::{DEFAULT_REDIS_URL, RedisUrl, host_name};
use crate::domain::actors::{ActorLifecycleManager, Deps};
use crate::domain::events::Events;
use crate::domain::jobs::{JobDefaults, Supervisor};
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::violation::Violations;
use crate::error::SupervisorError;
use crate::ports::process_manager::ProcessManager;

/// Makes a [`Supervisor`] on a Redis.
///
/// ```
/// # use hero_supervisor::{SupervisorBuilder, SupervisorError};
/// # fn main() -> Result<(), SupervisorError> {
/// let supervisor = SupervisorBuilder::new().redis_url("redis://localhost:6379").caller_id("billing").build()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct SupervisorBuilder {
    redis_url: Option<String>,
    defaults: JobDefaults,
}

impl SupervisorBuilder {
    /// Makes a builder with all defaults: the Redis of the environment variable `REDIS_URL`, or
    /// `redis://127.0.0.1:6379` without one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the Redis that holds jobs and actors: `redis://`, `rediss://` or `unix://`.
    pub fn redis_url(mut self, url: impl Into<String>) -> Self {
        self.redis_url = Some(url.into());
        self
    }

    /// Sets the caller of jobs that name none.
    pub fn caller_id(mut self, caller_id: impl Into<String>) -> Self {
        self.defaults.caller_id = caller_id.into();
        self
    }

    /// Sets the context of jobs that name none.
    pub fn context_id(mut self, context_id: impl Into<String>) -> Self {
        self.defaults.context_id = context_id.into();
        self
    }

    /// Makes the supervisor. Nothing is contacted yet.
    ///
    /// # Errors
    /// `Invalid` when the URL is none of Redis.
    pub fn build(self) -> Result<Supervisor, SupervisorError> {
        let from_env = || std::env::var("REDIS_URL").ok().filter(|url| !url.is_empty());
        let url = self.redis_url.or_else(from_env).unwrap_or_else(|| DEFAULT_REDIS_URL.to_owned());
        let url = RedisUrl::parse(&url).map_err(|what| Violations::one("redis_url", what))?;
        let config = RedisConfig { url: url.expose().to_owned(), ..RedisConfig::default() };
        adapters::supervisor(config, self.defaults).map(|(supervisor, _log)| supervisor)
    }
}

/// Makes an [`ActorLifecycleManager`] on a process manager, for the jobs of a supervisor. Until the supervisor is given there is
/// nothing to build:
///
/// ```compile_fail,E0599
/// # use hero_supervisor::ActorLifecycleManagerBuilder;
/// ActorLifecycleManagerBuilder::new("/run/zinit.sock".to_owned()).build();
/// ```
pub struct ActorLifecycleManagerBuilder<S = WithoutSupervisor> {
    processes: Arc<dyn ProcessManager>,
    supervisor: S,
    actors: Vec<ActorConfig>,
}

/// The supervisor of an [`ActorLifecycleManagerBuilder`] that was given none yet.
#[derive(Debug, Clone, Copy)]
pub struct WithoutSupervisor;

impl ActorLifecycleManagerBuilder {
    /// A manager whose actors are run by the Zinit at this socket.
    pub fn new(zinit_socket: String) -> Self {
        let shim = adapters::installed_program();
        Self::with_process_manager(Arc::new(ZinitProcessManager::with_shim(zinit_socket, shim.as_deref())))
    }

    /// A manager whose actors are run by any process manager.
    pub fn with_process_manager(processes: Arc<dyn ProcessManager>) -> Self {
        Self { processes, supervisor: WithoutSupervisor, actors: Vec::new() }
    }
}

impl<S> ActorLifecycleManagerBuilder<S> {
    /// Sets the supervisor whose jobs the actors run. Actors are kept in its Redis.
    pub fn with_supervisor(self, supervisor: Supervisor) -> ActorLifecycleManagerBuilder<Supervisor> {
        ActorLifecycleManagerBuilder { processes: self.processes, supervisor, actors: self.actors }
    }

    /// Adds an actor that is made at the first use, unless it is there already.
    pub fn add_actor(mut self, config: ActorConfig) -> Self {
        self.actors.push(config);
        self
    }
}

impl ActorLifecycleManagerBuilder<Supervisor> {
    /// Makes the manager. Nothing is contacted yet; the first call reports mistakes in the settings.
    pub fn build(self) -> ActorLifecycleManager {
        let store = Arc::clone(self.supervisor.store());
        ActorLifecycleManager::new(Deps {
            supervisor: self.supervisor,
            processes: self.processes,
            store,
            programs: Arc::new(ProgramFiles),
            node: host_name(),
            actor_env: BTreeMap::new(),
            initial: self.actors,
            events: Events::discard(),
        })
    }
}

impl<S> std::fmt::Debug for ActorLifecycleManagerBuilder<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorLifecycleManagerBuilder").field("actors", &self.actors).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_none_of_redis_is_refused_at_once_without_showing_its_password() {
        let told = SupervisorBuilder::new().redis_url("http://me:s3cret@h").build().unwrap_err().to_string();
        assert!(told.contains("redis://HOST:PORT") && !told.contains("s3cret"), "{told}");
    }
}
