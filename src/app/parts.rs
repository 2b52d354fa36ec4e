//! Adapters made from settings.

use std::sync::Arc;

use crate::adapters::system_clock::SystemClock;
use crate::config::RedisUrl;
use crate::domain::supervisor::{JobDefaults, Supervisor};
use crate::error::SupervisorError;

/// (stand-in until the queue is there)
pub(super) struct RedisConfig {
    pub(super) url: String,
}

pub(super) fn redis_config(url: &RedisUrl) -> RedisConfig {
    RedisConfig { url: url.expose().to_owned() }
}

pub(super) fn supervisor(config: RedisConfig, defaults: JobDefaults) -> Result<Supervisor, SupervisorError> {
    let queue = Arc::new(super::unconfigured::Unconfigured(format!(
        "Redis is not built yet ({} bytes)",
        config.url.len()
    )));
    Ok(Supervisor::new(queue.clone(), Arc::new(SystemClock), defaults).with_store(queue))
}
