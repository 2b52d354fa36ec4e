//! The calls of Zinit's interface that are used, each with its deadline.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::super::client::{CallError, Client};
use super::definition::Definition;
use super::states::{self, Service, State};
use crate::domain::model::output::LogStream;
use crate::ports::process_manager::LogLine;

/// A call that only reads is answered in microseconds, unless the server hangs.
const READ: Duration = Duration::from_secs(2);
/// Changes wait for each other in the server, and some take seconds.
const CHANGE: Duration = Duration::from_secs(15);

/// Calls over two connections, so that a long change keeps nobody from reading.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) reads: Arc<Client>,
    pub(super) changes: Arc<Client>,
}

impl Calls {
    /// Lists all services, in Zinit's order.
    pub(super) async fn list(&self) -> Result<Vec<Service>, CallError> {
        let answer = self.reads.read("service.list_full", json!({}), READ).await?;
        states::services(&answer).map_err(|fault| CallError::Corrupt(fault.into()))
    }

    /// Reads the state of a service; None if there is no such service.
    pub(super) async fn state(&self, name: &str) -> Result<Option<State>, CallError> {
        let answer = self.reads.read("service.status_full", json!({"name": name}), READ).await;
        let Some(status) = known(answer)? else { return Ok(None) };
        states::state(&status["state"]).map(Some).map_err(|fault| CallError::Corrupt(fault.into()))
    }

    /// The definition of one service; None if there is no such service.
    pub(super) async fn config(&self, name: &str) -> Result<Option<Value>, CallError> {
        known(self.reads.read("service.get", json!({"name": name}), READ).await)
    }

    /// The last lines that a service wrote, oldest first.
    pub(super) async fn log_tail(&self, name: &str, lines: usize) -> Result<Vec<LogLine>, CallError> {
        let params = json!({"name": name, "lines": lines});
        let Some(answer) = known(self.reads.read("logs.tail", params, READ).await)? else {
            return Ok(Vec::new());
        };
        let lines = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        // The buffer may hold last words of a deleted service whose place this one took.
        Ok(lines.iter().filter(|line| line["service"] == name).map(line).collect())
    }

    /// Adds a service and starts it; answers with the file that it was written to.
    pub(super) async fn set(&self, definition: &Definition) -> Result<Option<PathBuf>, CallError> {
        self.set_params(definition.params()).await
    }

    /// The same for a service that is never started.
    pub(super) async fn set_params(&self, params: Value) -> Result<Option<PathBuf>, CallError> {
        let answer = self.changes.change("service.set", params, CHANGE).await?;
        Ok(answer["path"].as_str().map(PathBuf::from))
    }

    /// Starts a stopped service, with its restart delay as it was in the beginning. It must not run.
    pub(super) async fn start(&self, name: &str) -> Result<(), CallError> {
        self.change("service.restart", json!({"name": name})).await
    }

    /// Tells a service to end.
    pub(super) async fn stop(&self, name: &str) -> Result<(), CallError> {
        self.change("service.stop", json!({"name": name})).await
    }

    /// Sends a signal to the group of a service's process.
    pub(super) async fn kill(&self, name: &str, signal: i32) -> Result<(), CallError> {
        self.change("service.kill", json!({"name": name, "signal": signal.to_string()})).await
    }

    /// Deletes a service, its file and everything that depends on it.
    pub(super) async fn delete(&self, name: &str) -> Result<(), CallError> {
        self.change("service.delete", json!({"name": name})).await
    }

    async fn change(&self, method: &'static str, params: Value) -> Result<(), CallError> {
        self.changes.change(method, params, CHANGE).await.map(drop)
    }
}

/// Turns the refusal of an unknown name into None.
fn known(answer: Result<Value, CallError>) -> Result<Option<Value>, CallError> {
    const NOT_FOUND: i64 = -32000;
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(CallError::Refused { code: NOT_FOUND, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn line(line: &Value) -> LogLine {
    let at =
        line["timestamp_ms"].as_u64().map(|millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
    let stream = if line["stream"] == "stderr" { LogStream::Stderr } else { LogStream::Stdout };
    LogLine { at, stream, text: line["content"].as_str().unwrap_or_default().to_owned() }
}
