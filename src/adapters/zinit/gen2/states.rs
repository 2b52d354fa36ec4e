//! The states of services in the words of GEN2, and in ours.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::domain::model::actor::ExitStatus;
use crate::ports::process_manager::ProcessState;

/// One service as `service_status` tells it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Status {
    pub(super) state: State,
    /// Pid; None while Zinit says 0.
    pub(super) pid: Option<u32>,
    /// Zinit is to keep it up.
    pub(super) wanted: bool,
    /// Services that this one waits for, with the state of each.
    pub(super) waits_for: Vec<String>,
}

/// State of a service. A word that is not known is kept for people.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    Unknown,
    Blocked,
    Spawned,
    Running,
    Success,
    Error(ExitStatus),
    TestFailure,
    Failure,
    Other(String),
}

/// Zinit's action for a service that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// Starts the service again after 2 s.
    Yes,
    /// Leaves the service ended, since it was configured to run once.
    No,
}

/// Reads the answer to `service_status`.
pub(super) fn status(answer: &Value) -> Result<Status, String> {
    let word = answer["state"].as_str().ok_or("a status has no state")?;
    let pid = answer["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
    let after = answer["after"].as_object();
    let waits_for = after
        .into_iter()
        .flatten()
        .filter(|(_name, state)| !matches!(state.as_str(), Some("Running" | "Success")))
        .map(|(name, state)| format!("{name} ({})", state.as_str().unwrap_or("?")))
        .collect();
    Ok(Status { state: state(word), pid, wanted: answer["target"] != "Down", waits_for })
}

/// Reads a state, `Error(Exited(Pid(18462), 3))` among them.
fn state(word: &str) -> State {
    match word {
        "Unknown" => State::Unknown,
        "Blocked" => State::Blocked,
        "Spawned" => State::Spawned,
        "Running" => State::Running,
        "Success" => State::Success,
        "TestFailure" => State::TestFailure,
        "Failure" => State::Failure,
        other => match other.strip_prefix("Error") {
            Some(status) => State::Error(exit(status)),
            None => State::Other(other.to_owned()),
        },
    }
}

/// Reads `(Exited(Pid(18462), 3))` and `(Signaled(Pid(12505), SIGTERM, false))`.
fn exit(status: &str) -> ExitStatus {
    let words: Vec<&str> = status
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| !word.is_empty())
        .collect();
    match words.as_slice() {
        ["Exited", "Pid", _pid, code, ..] => code.parse().map_or(ExitStatus::Unknown, ExitStatus::Code),
        ["Signaled", "Pid", _pid, signal, ..] => {
            signal.parse::<Signal>().map_or(ExitStatus::Unknown, |signal| ExitStatus::Signal(signal as i32))
        }
        _other => ExitStatus::Unknown,
    }
}

impl Status {
    /// Returns the exit status of an ended service.
    pub(super) fn exit(&self) -> Option<ExitStatus> {
        match (self.pid, &self.state) {
            (None, State::Success) => Some(ExitStatus::Code(0)),
            (None, State::Error(exit)) => Some(*exit),
            (None, State::TestFailure) => Some(ExitStatus::Unknown),
            (
                _,
                State::Unknown
                | State::Blocked
                | State::Spawned
                | State::Running
                | State::Success
                | State::Error(_)
                | State::TestFailure
                | State::Failure
                | State::Other(_),
            ) => None,
        }
    }

    /// Told to end, and gone.
    pub(super) fn is_down(&self) -> bool {
        self.pid.is_none() && !self.wanted
    }

    /// Converts to our words.
    pub(super) fn to_process(&self, again: Again) -> ProcessState {
        if let Some(pid) = self.pid {
            return match (&self.state, self.wanted) {
                (_, false) => ProcessState::Stopping { pid: Some(pid) },
                (State::Running, true) => ProcessState::Running { pid },
                // Its test has not passed yet, or it is just between two words.
                (
                    State::Unknown
                    | State::Blocked
                    | State::Spawned
                    | State::Success
                    | State::Error(_)
                    | State::TestFailure
                    | State::Failure
                    | State::Other(_),
                    true,
                ) => ProcessState::Starting { pid: Some(pid) },
            };
        }
        match (&self.state, self.exit()) {
            (State::Failure, _) => ProcessState::SpawnFailed,
            (_, exit) if !self.wanted => ProcessState::Down { exit },
            (_, Some(exit)) => match again {
                Again::Yes => ProcessState::Backoff { exit },
                Again::No => ProcessState::Down { exit: Some(exit) },
            },
            (State::Spawned | State::Running, None) => ProcessState::Starting { pid: None },
            (
                State::Unknown
                | State::Blocked
                | State::Success
                | State::Error(_)
                | State::TestFailure
                | State::Other(_),
                None,
            ) => ProcessState::Waiting,
        }
    }

    /// Returns the detail for people.
    pub(super) fn detail(&self) -> String {
        match &self.state {
            State::Failure => {
                "its program could not be executed, or its command line could not be taken apart".to_owned()
            }
            State::Unknown | State::Blocked if !self.waits_for.is_empty() => {
                format!("waits for {}", self.waits_for.join(", "))
            }
            State::Error(exit) => exit.to_string(),
            State::TestFailure => "its health check did not pass".to_owned(),
            State::Other(word) => format!("zinit says {word:?}"),
            State::Unknown | State::Blocked | State::Spawned | State::Running | State::Success => {
                String::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(state: &str, pid: u32, target: &str) -> Status {
        status(&json!({"name": "s1", "pid": pid, "state": state, "target": target, "after": {}})).unwrap()
    }

    #[test]
    fn every_recorded_state_is_read() {
        let signalled = ProcessState::Down { exit: Some(ExitStatus::Signal(15)) };
        let cases = [
            ("Running", 12505, "Up", ProcessState::Running { pid: 12505 }),
            ("Spawned", 7, "Up", ProcessState::Starting { pid: Some(7) }),
            ("Running", 7, "Down", ProcessState::Stopping { pid: Some(7) }),
            ("Error(Signaled(Pid(12505), SIGTERM, false))", 0, "Down", signalled),
            ("Error(Exited(Pid(18462), 3))", 0, "Up", ProcessState::Backoff { exit: ExitStatus::Code(3) }),
            (
                "Error(Signaled(Pid(1), SIGKILL, false))",
                0,
                "Up",
                ProcessState::Backoff { exit: ExitStatus::Signal(9) },
            ),
            ("Success", 0, "Up", ProcessState::Backoff { exit: ExitStatus::Code(0) }),
            ("Success", 0, "Down", ProcessState::Down { exit: Some(ExitStatus::Code(0)) }),
            ("Failure", 0, "Up", ProcessState::SpawnFailed),
            ("Blocked", 0, "Up", ProcessState::Waiting),
            ("Unknown", 0, "Up", ProcessState::Waiting),
            ("Unknown", 0, "Down", ProcessState::Down { exit: None }),
            ("Levitating", 0, "Up", ProcessState::Waiting),
            ("Error(Whatever)", 0, "Up", ProcessState::Backoff { exit: ExitStatus::Unknown }),
        ];
        for (state, pid, target, expected) in cases {
            assert_eq!(told(state, pid, target).to_process(Again::Yes), expected, "{state} {target}");
        }
        let once = told("Error(Exited(Pid(18462), -1))", 0, "Up").to_process(Again::No);
        assert_eq!(once, ProcessState::Down { exit: Some(ExitStatus::Code(-1)) });
    }

    #[test]
    fn what_it_waits_for_is_named() {
        let answer = json!({"name": "a", "pid": 0, "state": "Blocked", "target": "Up",
                            "after": {"redis": "Blocked", "db": "Running"}});
        assert_eq!(status(&answer).unwrap().detail(), "waits for redis (Blocked)");
        assert!(status(&json!({"pid": 1})).is_err() && status(&json!(null)).is_err());
    }
}
