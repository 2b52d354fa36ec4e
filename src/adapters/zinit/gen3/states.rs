//! Zinit's words for where a service is, and ours for the same.

use serde_json::Value;

use super::definition::Lifecycle;
use crate::domain::model::actor::{ExitStatus, RestartMode};
use crate::ports::process_manager::ProcessState;

/// One service of `service.list_full`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) state: State,
}

/// State of a service, in Zinit's words. Pids are None while Zinit says 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    Inactive,
    Blocked { waiting_on: Vec<String> },
    Starting { pid: Option<u32> },
    Running { pid: Option<u32> },
    Stopping { pid: Option<u32> },
    Exited { code: Option<i32> },
    Failed(Failure),
}

/// Reason for which a service failed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Failure {
    Code(i32),
    Signal(i32),
    /// The shell could not be started.
    Spawn(String),
    /// The service is being killed for not having started in time; its exit is reported a moment later.
    Start(String),
    /// The service never ran, and never will as it is.
    Dependency(String),
}

/// Reads the answer to `service.list_full`; what cannot be read is left out and counted.
pub(super) fn services(answer: &Value) -> Result<Vec<Service>, String> {
    let list = answer.as_array().ok_or("the list of services is not a list")?;
    list.iter().map(service).collect()
}

fn service(entry: &Value) -> Result<Service, String> {
    let name = entry["name"].as_str().ok_or("a service has no name")?;
    Ok(Service { name: name.to_owned(), state: state(&entry["state"])? })
}

/// Reads the state object of `service.list_full` and `service.status_full`.
pub(super) fn state(state: &Value) -> Result<State, String> {
    let pid = || state["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
    let code = |value: &Value| value.as_i64().and_then(|code| i32::try_from(code).ok());
    Ok(match state["state"].as_str().unwrap_or_default() {
        "inactive" => State::Inactive,
        "blocked" => {
            let names = state["waiting_on"].as_array().map(Vec::as_slice).unwrap_or_default();
            State::Blocked { waiting_on: names.iter().filter_map(Value::as_str).map(str::to_owned).collect() }
        }
        "starting" => State::Starting { pid: pid() },
        "running" => State::Running { pid: pid() },
        "stopping" => State::Stopping { pid: pid() },
        "exited" => State::Exited { code: code(&state["exit_code"]) },
        "failed" => State::Failed(failure(&state["reason"])),
        other => return Err(format!("unknown state {other:?}")),
    })
}

fn failure(reason: &Value) -> Failure {
    let number = |field: &str| reason[field].as_i64().and_then(|number| i32::try_from(number).ok());
    let words = |field: &str| reason[field].as_str().unwrap_or_default().to_owned();
    match reason["type"].as_str().unwrap_or_default() {
        "exit_code" => Failure::Code(number("code").unwrap_or(-1)),
        "signal" => Failure::Signal(number("signal").unwrap_or(0)),
        "spawn_error" => Failure::Spawn(words("message")),
        "missing_dependency" => Failure::Dependency(format!("missing dependency {:?}", words("dependency"))),
        "dependency_failed" => Failure::Dependency(format!("dependency {:?} failed", words("service"))),
        "start_timeout" => Failure::Start("did not start in time".to_owned()),
        "health_check_failed" => Failure::Start("its health check did not pass in time".to_owned()),
        other => Failure::Start(other.replace('_', " ")),
    }
}

impl State {
    /// There is a process, or will be one at once.
    pub(super) fn is_active(&self) -> bool {
        match self {
            Self::Starting { .. } | Self::Running { .. } | Self::Stopping { .. } => true,
            Self::Inactive | Self::Blocked { .. } | Self::Exited { .. } | Self::Failed(_) => false,
        }
    }

    /// Returns true for a service that was killed a moment ago, and whose end is still to be seen. Nothing may be done
    /// with it before: the end would be booked on what runs then.
    pub(super) fn is_dying(&self) -> bool {
        matches!(self, Self::Failed(Failure::Start(_)))
    }

    /// Returns the pid, if there is one.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Starting { pid } | Self::Running { pid } | Self::Stopping { pid } => *pid,
            Self::Inactive | Self::Blocked { .. } | Self::Exited { .. } | Self::Failed(_) => None,
        }
    }

    /// A timer may run that starts the service again. `service.stop` does not end that timer, and Zinit does not tell of
    /// it: an `exited` after a stop looks the same as one by itself.
    pub(super) fn may_restart(&self, lifecycle: Lifecycle) -> bool {
        match (self, lifecycle.restart) {
            (Self::Failed(Failure::Spawn(_) | Failure::Dependency(_)), _) => false,
            (Self::Failed(_) | Self::Inactive, RestartMode::Always | RestartMode::OnFailure) => true,
            (Self::Exited { code: Some(0) }, RestartMode::Always) => true,
            (Self::Failed(_) | Self::Inactive, RestartMode::Never) => false,
            (Self::Exited { .. }, _) => false,
            (
                Self::Blocked { .. } | Self::Starting { .. } | Self::Running { .. } | Self::Stopping { .. },
                _,
            ) => false,
        }
    }

    /// Converts to our words. `restarts` is true if Zinit will start an ended service again.
    pub(super) fn to_process(&self, restarts: bool) -> ProcessState {
        let ended = |exit| {
            if restarts { ProcessState::Backoff { exit } } else { ProcessState::Down { exit: Some(exit) } }
        };
        match self {
            Self::Inactive => ProcessState::Down { exit: None },
            Self::Blocked { .. } => ProcessState::Waiting,
            Self::Starting { pid } => ProcessState::Starting { pid: *pid },
            // Only targets run without a process. Nothing but a look at whether it is there can be done with them.
            Self::Running { pid } => ProcessState::Running { pid: pid.unwrap_or(0) },
            Self::Stopping { pid } => ProcessState::Stopping { pid: *pid },
            Self::Exited { code: None } => ProcessState::Down { exit: None },
            Self::Exited { code: Some(code) } => ended(ExitStatus::Code(*code)),
            Self::Failed(Failure::Code(code)) => ended(ExitStatus::Code(*code)),
            Self::Failed(Failure::Signal(signal)) => ended(ExitStatus::Signal(*signal)),
            Self::Failed(Failure::Spawn(_)) => ProcessState::SpawnFailed,
            Self::Failed(Failure::Start(_)) => ended(ExitStatus::Unknown),
            Self::Failed(Failure::Dependency(_)) => ProcessState::Down { exit: None },
        }
    }

    /// Returns the detail for people.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Blocked { waiting_on } => format!("waits for {}", waiting_on.join(", ")),
            Self::Failed(Failure::Spawn(why) | Failure::Start(why) | Failure::Dependency(why)) => why.clone(),
            Self::Failed(Failure::Code(code)) => format!("exit code {code}"),
            Self::Failed(Failure::Signal(signal)) => format!("killed by signal {signal}"),
            Self::Exited { code: Some(code) } => format!("exit code {code}"),
            Self::Exited { code: None } => "stopped".to_owned(),
            Self::Inactive | Self::Starting { .. } | Self::Running { .. } | Self::Stopping { .. } => {
                String::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn lifecycle(restart: RestartMode) -> Lifecycle {
        let span = Duration::from_secs(1);
        Lifecycle { restart, restart_delay_max: span, unlimited: true, stop_timeout: span }
    }

    #[test]
    fn every_state_is_read() {
        let cases = [
            (json!({"state": "inactive"}), State::Inactive),
            (
                json!({"state": "blocked", "waiting_on": ["base"]}),
                State::Blocked { waiting_on: vec!["base".to_owned()] },
            ),
            (json!({"state": "starting", "pid": 0}), State::Starting { pid: None }),
            (json!({"state": "running", "pid": 7}), State::Running { pid: Some(7) }),
            (json!({"state": "stopping", "pid": 7}), State::Stopping { pid: Some(7) }),
            (json!({"state": "exited", "exit_code": 0}), State::Exited { code: Some(0) }),
            (json!({"state": "exited", "exit_code": null}), State::Exited { code: None }),
            (
                json!({"state": "failed", "reason": {"type": "exit_code", "code": 7}}),
                State::Failed(Failure::Code(7)),
            ),
            (
                json!({"state": "failed", "reason": {"type": "signal", "signal": 9}}),
                State::Failed(Failure::Signal(9)),
            ),
            (
                json!({"state": "failed", "reason": {"type": "spawn_error", "message": "no"}}),
                State::Failed(Failure::Spawn("no".to_owned())),
            ),
        ];
        for (answer, expected) in cases {
            assert_eq!(state(&answer).unwrap(), expected);
        }
        assert!(state(&json!({"state": "levitating"})).is_err());
        assert!(state(&json!(null)).is_err());
    }

    #[test]
    fn only_a_plain_exit_of_a_service_that_always_restarts_is_ambiguous_among_exits() {
        let exited = |code| State::Exited { code };
        assert!(exited(Some(0)).may_restart(lifecycle(RestartMode::Always)));
        assert!(!exited(Some(0)).may_restart(lifecycle(RestartMode::OnFailure)));
        assert!(!exited(Some(3)).may_restart(lifecycle(RestartMode::Always)));
        assert!(!exited(None).may_restart(lifecycle(RestartMode::Always)));
        let failed = State::Failed(Failure::Code(1));
        assert!(failed.may_restart(lifecycle(RestartMode::OnFailure)));
        assert!(!failed.may_restart(lifecycle(RestartMode::Never)));
    }

    #[test]
    fn an_ended_service_is_in_backoff_only_if_it_comes_back() {
        let failed = State::Failed(Failure::Signal(9));
        let exit = ExitStatus::Signal(9);
        assert_eq!(failed.to_process(true), ProcessState::Backoff { exit });
        assert_eq!(failed.to_process(false), ProcessState::Down { exit: Some(exit) });
    }
}
