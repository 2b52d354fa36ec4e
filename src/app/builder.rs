//! The Rust API's way to a [`Supervisor`] and an [`ActorLifecycleManager`]: say what differs from the defaults, build.
//!
//! Building contacts nobody; the first call does.

use std::path::PathBuf;
use std::sync::Arc;

use super::actor_env::redis_env;
use super::adapters;
use crate::adapters::process_usage::ProcUsage;
use crate::adapters::program_files::ProgramFiles;
use crate::adapters::redis::{RedisAccess, RedisConfig};
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
    actor_redis_url: Option<String>,
    access: RedisAccess,
    defaults: JobDefaults,
}

impl SupervisorBuilder {
    /// Makes a builder with all defaults: the Redis of the environment variable `REDIS_URL`, or
    /// `redis://127.0.0.1:6379` without one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the Redis that holds jobs and actors: `redis://`, `rediss://`, `redis+sentinel://`,
    /// `rediss+sentinel://`, `redis+cluster://`, `rediss+cluster://` or `unix://`.
    pub fn redis_url(mut self, url: impl Into<String>) -> Self {
        self.redis_url = Some(url.into());
        self
    }

    /// Sets the same Redis as actors are told it, with another user for instance; that of the supervisor by default.
    pub fn actor_redis_url(mut self, url: impl Into<String>) -> Self {
        self.actor_redis_url = Some(url.into());
        self
    }

    /// Sets the user of Redis.
    pub fn redis_user(mut self, user: impl Into<String>) -> Self {
        self.access.user = Some(user.into());
        self
    }

    /// Sets the file with the password, for its owner alone. It is read again for each connection.
    pub fn redis_password_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.access.password_file = Some(path.into());
        self
    }

    /// Sets the file with the CAs (PEM) that may have signed the certificate of Redis; without it the public CAs. The URL has to be
    /// `rediss://`.
    pub fn redis_tls_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.access.tls_ca = Some(path.into());
        self
    }

    /// Sets the certificate (PEM) that is shown to Redis. Its key has to be set as well.
    pub fn redis_tls_cert(mut self, path: impl Into<PathBuf>) -> Self {
        self.access.tls_cert = Some(path.into());
        self
    }

    /// Sets the private key (PEM) of that certificate, for its owner alone.
    pub fn redis_tls_key(mut self, path: impl Into<PathBuf>) -> Self {
        self.access.tls_key = Some(path.into());
        self
    }

    /// Sets the user of the Sentinels, if the URL names some.
    pub fn redis_sentinel_user(mut self, user: impl Into<String>) -> Self {
        self.access.sentinel_user = Some(user.into());
        self
    }

    /// Sets the file with the password of the Sentinels, for its owner alone. It is read again for each connection.
    pub fn redis_sentinel_password_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.access.sentinel_password_file = Some(path.into());
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
    /// `Invalid` when a URL is none of Redis, or a file cannot be used.
    pub fn build(self) -> Result<Supervisor, SupervisorError> {
        let from_env = || std::env::var("REDIS_URL").ok().filter(|url| !url.is_empty());
        let url = self.redis_url.or_else(from_env).unwrap_or_else(|| DEFAULT_REDIS_URL.to_owned());
        let parse = |name, url: &str| RedisUrl::parse(url).map_err(|what| Violations::one(name, what));
        let url = parse("redis_url", &url)?;
        let of_actors = self.actor_redis_url.map(|url| parse("actor_redis_url", &url)).transpose()?;
        let actor_env = redis_env(&url, of_actors.as_ref(), &self.access);
        let config =
            RedisConfig { url: url.expose().to_owned(), access: self.access, ..RedisConfig::default() };
        let on_redis = adapters::supervisor(config, self.defaults)?;
        Ok(on_redis.supervisor.with_actor_env(actor_env))
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
        let actor_env = self.supervisor.actor_env().clone();
        ActorLifecycleManager::new(Deps {
            supervisor: self.supervisor,
            processes: self.processes,
            store,
            programs: Arc::new(ProgramFiles),
            usage: Arc::new(ProcUsage::default()),
            node: host_name(),
            actor_env,
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn actors_are_told_how_to_log_in_and_a_file_that_cannot_be_used_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        let builder =
            || SupervisorBuilder::new().redis_url("redis://h").redis_user("me").redis_password_file(&file);
        let told = builder().build().unwrap_err().to_string();
        assert!(told.contains("redis_password_file"), "{told}");
        std::fs::write(&file, "s3cret").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let supervisor = builder().build().unwrap();
        let env = supervisor.actor_env();
        assert_eq!((env["REDIS_URL"].as_str(), env["REDIS_USER"].as_str()), ("redis://h", "me"));
        assert_eq!(env["REDIS_PASSWORD_FILE"], file.display().to_string());
        let supervisor = builder().actor_redis_url("redis://actors@h").build().unwrap();
        assert_eq!(supervisor.actor_env().keys().collect::<Vec<_>>(), ["REDIS_URL"]);
        assert_eq!(supervisor.actor_env()["REDIS_URL"], "redis://actors@h");
        let told = builder().actor_redis_url("http://h").build().unwrap_err().to_string();
        assert!(told.contains("actor_redis_url"), "{told}");
        let told = builder().redis_tls_ca(&file).build().unwrap_err().to_string();
        assert!(told.contains("redis_tls_ca") && told.contains("rediss://"), "{told}");
    }

    #[test]
    fn a_url_that_is_none_of_redis_is_refused_at_once_without_showing_its_password() {
        let told = SupervisorBuilder::new().redis_url("http://me:s3cret@h").build().unwrap_err().to_string();
        assert!(told.contains("redis://HOST:PORT") && !told.contains("s3cret"), "{told}");
    }
}
