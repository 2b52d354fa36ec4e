//! What state an actor is shown in: a pure function of everything that is known of it.

use crate::domain::model::actor::{ActorRecord, ActorState, Desired, ExitStatus, FaultKind, Readiness};
use crate::ports::actor_presence::Presence;
use crate::ports::process_manager::ProcessState;

/// What is said of a process that was started by an earlier definition.
const OUTDATED: &str = "runs by an earlier definition; a restart takes the new one";

/// All that bears on the state.
pub(super) struct View<'a> {
    /// What an operation under way says.
    pub(super) phase: Option<(ActorState, &'a str)>,
    pub(super) record: &'a ActorRecord,
    pub(super) process: Option<ProcessState>,
    /// Whether the process manager answers.
    pub(super) reachable: bool,
    /// Why it does not.
    pub(super) fault: &'a str,
    pub(super) presence: Option<&'a Presence>,
    /// Why the last operation failed.
    pub(super) trouble: &'a str,
    /// The dependency for which it waited in vain.
    pub(super) waits_for: Option<&'a str>,
}

/// What is said of an actor that waits for another one.
pub(super) fn waits_for(dependency: &str) -> String {
    format!("waits for {dependency}")
}

/// The state, and a sentence on why.
pub(super) fn derive(view: &View<'_>) -> (ActorState, String) {
    if let Some((state, message)) = view.phase {
        return (state, message.to_owned());
    }
    if let Some(fault) = &view.record.fault {
        let state = match fault.kind {
            FaultKind::StartFailed => ActorState::Failed,
            FaultKind::CrashLoop => ActorState::CrashLoop,
        };
        return (state, fault.message.clone());
    }
    if !view.reachable {
        let why = if view.fault.is_empty() { "it has not been looked at yet" } else { view.fault };
        return (ActorState::Unknown, why.to_owned());
    }
    match view.process {
        Some(ProcessState::Running { pid }) => running(view, pid),
        Some(ProcessState::Starting { .. }) => {
            (ActorState::Starting, "its health check has not passed yet".to_owned())
        }
        Some(ProcessState::Waiting) => (ActorState::Blocked, "waits for what it depends on".to_owned()),
        Some(ProcessState::Stopping { .. }) => {
            (ActorState::Stopping, "its process was told to end".to_owned())
        }
        Some(ProcessState::Backoff { exit }) => {
            (ActorState::Backoff, format!("its process ended with {exit} and will be started again"))
        }
        Some(ProcessState::SpawnFailed) => (
            ActorState::Failed,
            format!("its program could not be run. {}", view.trouble).trim_end().to_owned(),
        ),
        Some(ProcessState::Down { exit }) => down(view, exit),
        None => down(view, None),
    }
}

fn running(view: &View<'_>, pid: u32) -> (ActorState, String) {
    let up = || (ActorState::Running, if view.record.outdated { OUTDATED.to_owned() } else { String::new() });
    match (view.record.config.readiness, view.presence) {
        (Readiness::Process, _) => up(),
        (Readiness::Queue, Some(presence)) if presence.draining && presence.pid == pid => {
            (ActorState::Draining, "finishes what it has and takes no new job".to_owned())
        }
        (Readiness::Queue, Some(_)) => up(),
        (Readiness::Queue, None) => (
            ActorState::Starting,
            "its process runs; it has not announced itself at its queue yet".to_owned(),
        ),
    }
}

fn down(view: &View<'_>, exit: Option<ExitStatus>) -> (ActorState, String) {
    if let (Desired::Up, Some(dependency)) = (view.record.desired, view.waits_for) {
        return (ActorState::Blocked, waits_for(dependency));
    }
    match (view.record.desired, exit) {
        (Desired::Down, _) => (ActorState::Stopped, String::new()),
        (Desired::Up, Some(ExitStatus::Code(0))) => {
            (ActorState::Stopped, "its process ended with exit code 0".to_owned())
        }
        (Desired::Up, Some(exit)) => (ActorState::Failed, format!("its process ended with {exit}")),
        (Desired::Up, None) if view.trouble.is_empty() => {
            (ActorState::Backoff, "its process is gone; it will be started".to_owned())
        }
        (Desired::Up, None) => (ActorState::Backoff, format!("it will be started again: {}", view.trouble)),
    }
}
