//! Runs processes as our own children, for hosts without Zinit.

pub mod shim;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::ports::clock::Clock;
use crate::ports::process_manager::{
    LogLine, ProcessError, ProcessInfo, ProcessManager, ProcessManagerInfo, ProcessSpec,
};

/// What a [`LocalRunner`] can be told.
#[derive(Clone)]
pub struct LocalOptions {
    /// Tells the time of log lines.
    pub clock: Arc<dyn Clock>,
    /// Words put before each program that make it die with us, `[hero-supervisor, exec-shim, --pdeathsig]` for
    /// instance (see [`shim::exec_shim`]). Without them `setpriv` is used if it is installed.
    pub shim: Option<Vec<OsString>>,
}

impl LocalOptions {
    /// Options without a shim.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shim: None }
    }
}

/// Runs processes as our own children. They die with us.
pub struct LocalRunner {
    _options: LocalOptions,
}

impl LocalRunner {
    /// A runner without processes. Nothing is done before the first call.
    pub fn new(options: LocalOptions) -> Self {
        Self { _options: options }
    }
}

#[async_trait]
impl ProcessManager for LocalRunner {
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
    ProcessError::Unsupported { reason: "the local runner is not built yet".to_owned() }
}
