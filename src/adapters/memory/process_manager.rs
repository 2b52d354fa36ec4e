//! A process manager whose processes are only states, for tests with paused time.

use std::time::Duration;

use async_trait::async_trait;

use crate::ports::process_manager::{
    LogLine, ProcessError, ProcessInfo, ProcessManager, ProcessManagerInfo, ProcessSpec,
};

/// A process manager whose processes are only states.
#[derive(Default)]
pub struct MemoryProcessManager {}

impl MemoryProcessManager {
    /// A manager without processes.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl ProcessManager for MemoryProcessManager {
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
    ProcessError::Unsupported { reason: "the process manager in memory is not built yet".to_owned() }
}
