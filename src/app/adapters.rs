//! Makes the adapters from the configuration.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use crate::adapters::local::{LocalOptions, LocalRunner};
use crate::adapters::redis::{RedisActorStore, RedisConfig, RedisEventLog, RedisNodeCalls, RedisQueue};
use crate::adapters::system_clock::SystemClock;
use crate::adapters::zinit::ZinitProcessManager;
use crate::config::{Config, ProcessManagerKind};
use crate::domain::jobs::{JobDefaults, Supervisor};
use crate::domain::model::violation::Violations;
use crate::error::SupervisorError;
use crate::ports::event_log::EventLog;
use crate::ports::node_calls::NodeCalls;
use crate::ports::process_manager::ProcessManager;

/// Returns the configuration of the Redis adapter.
pub(super) fn redis_config(config: &Config) -> RedisConfig {
    RedisConfig {
        url: config.redis_url.expose().to_owned(),
        access: config.redis_access(),
        durability: config.durability,
        lease: config.lease,
        queue_limit: config.queue_limit,
        named_queue_limit: config.named_queue_limit,
        ..RedisConfig::default()
    }
}

/// A supervisor on Redis, and what it shares with others beside jobs and actors.
pub(super) struct OnRedis {
    pub(super) supervisor: Supervisor,
    pub(super) log: Arc<dyn EventLog>,
    pub(super) node_calls: Arc<dyn NodeCalls>,
}

/// Makes a supervisor on Redis.
pub(super) fn supervisor(config: RedisConfig, defaults: JobDefaults) -> Result<OnRedis, SupervisorError> {
    config.access.check(&config.url).map_err(|error| Violations::one(error.setting, error.what))?;
    let queue = RedisQueue::new(config).map_err(|error| Violations::one("redis_url", error.to_string()))?;
    let (store, log) = (Arc::new(RedisActorStore::new(&queue)), Arc::new(RedisEventLog::new(&queue)));
    let node_calls = Arc::new(RedisNodeCalls::new(&queue));
    let supervisor = Supervisor::new(Arc::new(queue), store, Arc::new(SystemClock), defaults);
    Ok(OnRedis { supervisor, log, node_calls })
}

/// Makes the process manager of the configuration.
pub(super) fn process_manager(config: &Config) -> Arc<dyn ProcessManager> {
    match config.process_manager {
        ProcessManagerKind::Zinit => {
            Arc::new(ZinitProcessManager::with_shim(config.zinit_socket.clone(), own_program().as_deref()))
        }
        ProcessManagerKind::Local => {
            let mut options = LocalOptions::new(Arc::new(SystemClock));
            options.shim = shim();
            Arc::new(LocalRunner::new(options))
        }
    }
}

/// Returns the command prefix that makes a child die with this process: the exec shim of this program.
pub(super) fn shim() -> Option<Vec<OsString>> {
    let program = own_program()?;
    Some(vec![program.into_os_string(), "exec-shim".into(), "--pdeathsig".into()])
}

/// Returns the file of this program; None if it was replaced since the start, for instance by an upgrade.
pub(super) fn own_program() -> Option<PathBuf> {
    std::env::current_exe().ok().filter(|path| path.is_file())
}

/// Finds the `hero-supervisor` program for programs that only use the library: beside them, or in PATH.
pub(super) fn installed_program() -> Option<PathBuf> {
    const NAME: &str = "hero-supervisor";
    let beside = own_program().map(|own| own.with_file_name(NAME));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(NAME));
    beside.into_iter().chain(in_path).find(|program| program.is_file())
}
