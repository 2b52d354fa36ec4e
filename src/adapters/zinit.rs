//! Runs processes through Zinit.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::ports::process_manager::{
    LogLine, ProcessError, ProcessInfo, ProcessManager, ProcessManagerInfo, ProcessSpec,
};

/// Runs processes through the Zinit that listens on a unix socket.
pub struct ZinitProcessManager {
    _socket: PathBuf,
}

impl ZinitProcessManager {
    /// A manager of the Zinit at this socket. Nothing is contacted before the first call.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { _socket: socket.into() }
    }
}

#[async_trait]
impl ProcessManager for ZinitProcessManager {
    async fn probe(&self) -> Result<ProcessManagerInfo, ProcessError> {
        Err(unsupported())
    }

    async fn start(&self, _spec: &ProcessSpec) -> Result<(), ProcessError> {
        Err(unsupported())
    }

    async fn stop(&self, _name: &str, _grace: Duration) -> Result<(), ProcessError> {
        Err(unsupported())
    }

    async fn remove(&self, _name: &str) -> Result<(), ProcessError> {
        Err(unsupported())
    }

    async fn signal(&self, _name: &str, _signal: i32) -> Result<(), ProcessError> {
        Err(unsupported())
    }

    async fn list(&self) -> Result<Vec<ProcessInfo>, ProcessError> {
        Err(unsupported())
    }

    async fn log_tail(&self, _name: &str, _lines: usize) -> Result<Vec<LogLine>, ProcessError> {
        Err(unsupported())
    }

    async fn close(&self) {}
}

fn unsupported() -> ProcessError {
    ProcessError::Unsupported { reason: "Zinit is not built yet".to_owned() }
}
