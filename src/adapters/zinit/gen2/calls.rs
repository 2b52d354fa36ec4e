//! The calls of GEN2's interface that are used, each with its deadline.
//!
//! `system_shutdown` and `system_reboot` are not among them: outside of a container they end the machine.
//!
//! Refusals: before v0.2.28 nearly every one is an "Internal error" without a reason (it is *terse*). Whether the name
//! is known is asked for then, and the reason follows.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::wire::{CallError, INTERNAL_ERROR};
use super::definition::Definition;
use super::states::{self, Status};

/// A call that only reads; its neighbours' stops keep it waiting for a second or two.
pub(super) const READ: Duration = Duration::from_secs(5);
/// The first look of a start or a stop: whoever waits for them is told soon when Zinit hangs.
const FIRST_LOOK: Duration = Duration::from_millis(1900);
/// Stops take a second each, and wait for each other.
const STOP: Duration = Duration::from_secs(120);
const CHANGE: Duration = Duration::from_secs(15);

/// Times that a list or a status is asked for again: a list fails as a whole when a service is forgotten in the middle.
const TRIES: u32 = 20;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(5);

/// Code of the answer for a service that does not exist.
const NOT_FOUND: i64 = -32000;
/// And when a service is monitored already.
const MONITORED: i64 = -32001;
/// And when a service has no process to be signalled.
const DOWN: i64 = -32003;
/// And when there is a file of this name.
const EXISTS: i64 = -32007;

#[derive(Clone)]
pub(super) struct Calls {
    pub(super) link: Arc<super::link::Link>,
}

impl Calls {
    /// The names of all services, each with the word for its state.
    pub(super) async fn states(&self) -> Result<Vec<(String, String)>, CallError> {
        let mut tries = 1;
        let answer = loop {
            match self.link.call("service_list", Value::Null, READ).await {
                Err(CallError::Refused { .. }) if tries < TRIES => tries += 1,
                answer => break answer?,
            }
            sleep(PAUSE).await;
        };
        let services = answer.as_object().ok_or_else(|| corrupt("the list of services is not a table"))?;
        let word = |state: &Value| state.as_str().unwrap_or_default().to_owned();
        Ok(services.iter().map(|(name, state)| (name.clone(), word(state))).collect())
    }

    /// Reads the status of a service; None if there is no such service.
    pub(super) async fn status(&self, name: &str) -> Result<Option<Status>, CallError> {
        self.status_within(name, READ).await
    }

    /// The same for who has to be told soon that nobody answers.
    pub(super) async fn first_status(&self, name: &str) -> Result<Option<Status>, CallError> {
        self.status_within(name, FIRST_LOOK).await
    }

    async fn status_within(&self, name: &str, limit: Duration) -> Result<Option<Status>, CallError> {
        let mut tries = 1;
        let answer = loop {
            let answer = self.link.call("service_status", json!([name]), limit).await;
            match self.known(name, answer).await {
                // It is listed, so it may have come just now.
                Err(CallError::Refused { .. }) if tries < TRIES => tries += 1,
                answer => break answer?,
            }
            sleep(PAUSE).await;
        };
        answer.map(|answer| states::status(&answer).map_err(corrupt)).transpose()
    }

    /// The content of a service's file; None if there is none, or it cannot be had.
    pub(super) async fn content(&self, name: &str) -> Result<Option<Value>, CallError> {
        match self.link.call("service_get", json!([name]), READ).await {
            Ok(answer) => Ok(Some(answer).filter(Value::is_object)),
            Err(CallError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the file of a service; false if there is one.
    pub(super) async fn create(&self, definition: &Definition) -> Result<bool, CallError> {
        let params = json!([definition.name, definition.content]);
        match self.link.call("service_create", params, CHANGE).await {
            Ok(_text) => Ok(true),
            Err(CallError::Refused { code: EXISTS, .. }) => Ok(false),
            Err(CallError::Refused { message, .. }) if message.contains("already exists") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Loads the file of a service and starts it.
    pub(super) async fn monitor(&self, name: &str) -> Result<(), CallError> {
        match self.link.call("service_monitor", json!([name]), CHANGE).await {
            Ok(_) | Err(CallError::Refused { code: MONITORED, .. }) => Ok(()),
            Err(error) if self.says_nothing(&error) && self.is_listed(name).await? => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends a service: SIGTERM, and SIGKILL half a second later. An unknown one is fine, and so is one that is down.
    pub(super) async fn stop(&self, name: &str) -> Result<(), CallError> {
        match self.link.call("service_stop", json!([name]), STOP).await {
            Err(CallError::Refused { code: DOWN, .. }) => Ok(()),
            Err(error) if self.says_nothing(&error) => match self.status(name).await? {
                Some(status) if status.pid.is_some() => Err(error),
                Some(_) | None => Ok(()),
            },
            answer => self.known(name, answer).await.map(drop),
        }
    }

    /// Sends a signal; false when there is no process.
    pub(super) async fn kill(&self, name: &str, signal: Signal) -> Result<bool, CallError> {
        match self.link.call("service_kill", json!([name, signal.as_str()]), CHANGE).await {
            Ok(_nothing) => Ok(true),
            Err(CallError::Refused { code: NOT_FOUND | DOWN, .. }) => Ok(false),
            Err(error) if self.says_nothing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Has Zinit forget a service that is down; its file stays.
    pub(super) async fn forget(&self, name: &str) -> Result<(), CallError> {
        let answer = self.link.call("service_forget", json!([name]), CHANGE).await;
        self.known(name, answer).await.map(drop)
    }

    /// Removes the file of a service; true if there was one.
    pub(super) async fn delete(&self, name: &str) -> Result<bool, CallError> {
        let answer = self.link.call("service_delete", json!([name]), CHANGE).await;
        Ok(self.known(name, answer).await?.is_some())
    }

    /// Reads the kept lines of a service, oldest first, as Zinit writes them.
    pub(super) async fn current_logs(&self, name: &str) -> Result<Vec<String>, CallError> {
        Ok(texts(&self.link.call("stream_currentLogs", json!([name]), READ).await?))
    }

    async fn is_listed(&self, name: &str) -> Result<bool, CallError> {
        Ok(self.states().await?.iter().any(|(listed, _word)| listed == name))
    }

    /// Returns true for a refusal that may mean anything.
    fn says_nothing(&self, error: &CallError) -> bool {
        self.link.is_terse() && matches!(error, CallError::Refused { code: INTERNAL_ERROR, .. })
    }

    /// Turns the refusal of an unknown name into None.
    async fn known(&self, name: &str, answer: Result<Value, CallError>) -> Result<Option<Value>, CallError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(CallError::Refused { code: NOT_FOUND, .. }) => Ok(None),
            Err(CallError::Refused { message, .. }) if message.contains("not found") => Ok(None),
            Err(error) if self.says_nothing(&error) && !self.is_listed(name).await? => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The texts of a list.
pub(super) fn texts(answer: &Value) -> Vec<String> {
    let lines = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    lines.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn corrupt(what: impl Into<crate::ports::Cause>) -> CallError {
    CallError::Corrupt(what.into())
}
