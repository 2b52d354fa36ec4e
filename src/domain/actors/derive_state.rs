//! Derives the state of an actor, as a pure function of everything that is known of it.

use crate::domain::model::actor::{
    ActorConfig, ActorRecord, ActorState, Desired, ExitStatus, FaultKind, Readiness,
};
use crate::domain::model::secret::mask_words;
use crate::ports::actor_presence::Presence;
use crate::ports::process_manager::{FailedCheck, ProcessState};

/// Detail of a process that was started by an earlier definition.
const OUTDATED: &str = "runs by an earlier definition; a restart takes the new one";

/// Inputs that bear on the state.
pub(super) struct StateInputs<'a> {
    /// State and detail of the operation under way.
    pub(super) phase: Option<(ActorState, &'a str)>,
    pub(super) record: &'a ActorRecord,
    pub(super) process: Option<ProcessState>,
    /// The last failure of the health check.
    pub(super) failed_check: Option<&'a FailedCheck>,
    /// True if the process manager answers.
    pub(super) reachable: bool,
    /// Fault of the process manager.
    pub(super) fault: &'a str,
    pub(super) presence: Option<&'a Presence>,
    /// Error of the last operation.
    pub(super) trouble: &'a str,
    /// The dependency for which it waited in vain.
    pub(super) waits_for: Option<&'a str>,
}

/// Returns the detail of an actor that waits for another one.
pub(super) fn waits_for(dependency: &str) -> String {
    format!("waits for {dependency}")
}

/// The command of a health check without its secrets.
pub(super) fn shown_check(check: &str) -> String {
    mask_words(check.split(' ')).join(" ")
}

/// Describes the end of a process; a kill for its health check is named as such.
pub(super) fn end_of_process(config: &ActorConfig, exit: ExitStatus, failed: Option<&FailedCheck>) -> String {
    match (&config.health_check, failed.filter(|failed| failed.killed)) {
        (Some(check), Some(failed)) => {
            let (check, limit, last) = (shown_check(check), config.start_timeout, &failed.last);
            format!(
                "its health check {check:?} did not pass within {limit:?}, so its process was killed; the last check {last}"
            )
        }
        (_, _) => format!("its process ended with {exit}"),
    }
}

/// Returns why a process ended: its process manager has killed it for its health check, or its start was given up. Empty
/// if neither is known.
pub(super) fn reason_of_end(
    config: &ActorConfig,
    exit: ExitStatus,
    killed: Option<&FailedCheck>,
    given_up: Option<&str>,
) -> String {
    match (killed, given_up) {
        (Some(failed), _) => end_of_process(config, exit, Some(failed)),
        (None, given_up) => given_up.unwrap_or_default().to_owned(),
    }
}

/// The state, and a sentence on why.
pub(super) fn derive(inputs: &StateInputs<'_>) -> (ActorState, String) {
    if let Some((state, message)) = inputs.phase {
        return (state, message.to_owned());
    }
    if let Some(fault) = &inputs.record.fault {
        let state = match fault.kind {
            FaultKind::StartFailed => ActorState::Failed,
            FaultKind::CrashLoop => ActorState::CrashLoop,
        };
        return (state, fault.message.clone());
    }
    if !inputs.reachable {
        let why = if inputs.fault.is_empty() { "it has not been looked at yet" } else { inputs.fault };
        return (ActorState::Unknown, why.to_owned());
    }
    match inputs.process {
        Some(ProcessState::Running { pid }) => running(inputs, pid),
        Some(ProcessState::Starting { .. }) => {
            let last = inputs.failed_check.map(|failed| format!(": the last one {}", failed.last));
            let last = last.unwrap_or_default();
            (ActorState::Starting, format!("its health check has not passed yet{last}"))
        }
        Some(ProcessState::Waiting) => (ActorState::Blocked, "waits for what it depends on".to_owned()),
        Some(ProcessState::Stopping { .. }) => {
            (ActorState::Stopping, "its process was told to end".to_owned())
        }
        Some(ProcessState::Backoff { exit }) => {
            (ActorState::Backoff, format!("it will be started again: {}", ended(inputs, exit)))
        }
        Some(ProcessState::SpawnFailed) => (
            ActorState::Failed,
            format!("its program could not be run. {}", inputs.trouble).trim_end().to_owned(),
        ),
        Some(ProcessState::Down { exit }) => down(inputs, exit),
        None => down(inputs, None),
    }
}

fn running(inputs: &StateInputs<'_>, pid: u32) -> (ActorState, String) {
    let up =
        || (ActorState::Running, if inputs.record.outdated { OUTDATED.to_owned() } else { String::new() });
    match (inputs.record.config.readiness, inputs.presence) {
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

fn down(inputs: &StateInputs<'_>, exit: Option<ExitStatus>) -> (ActorState, String) {
    if let (Desired::Up, Some(dependency)) = (inputs.record.desired, inputs.waits_for) {
        return (ActorState::Blocked, waits_for(dependency));
    }
    match (inputs.record.desired, exit) {
        (Desired::Down, _) => (ActorState::Stopped, String::new()),
        (Desired::Up, Some(ExitStatus::Code(0))) => {
            (ActorState::Stopped, "its process ended with exit code 0".to_owned())
        }
        (Desired::Up, Some(exit)) => (ActorState::Failed, ended(inputs, exit)),
        (Desired::Up, None) if inputs.trouble.is_empty() => {
            (ActorState::Backoff, "its process is gone; it will be started".to_owned())
        }
        (Desired::Up, None) => (ActorState::Backoff, format!("it will be started again: {}", inputs.trouble)),
    }
}

fn ended(inputs: &StateInputs<'_>, exit: ExitStatus) -> String {
    end_of_process(&inputs.record.config, exit, inputs.failed_check)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::domain::model::actor::{ActorConfig, Fault, ManagedBy};
    use crate::domain::model::id::{ActorId, NodeName};
    use crate::domain::model::script_type::ScriptType;
    use ActorState::{
        Backoff, Blocked, CrashLoop, Draining, Failed, Running, Starting, Stopped, Stopping, Unknown,
    };

    const PID: u32 = 7;

    fn record(desired: Desired, readiness: Readiness) -> ActorRecord {
        let config = ActorConfig::new("a".to_owned(), "/bin/a".into(), ScriptType::SAL);
        ActorRecord {
            id: ActorId::parse("a").unwrap(),
            node: NodeName::parse("n").unwrap(),
            config: ActorConfig { readiness, ..config },
            desired,
            managed_by: ManagedBy::User,
            created_at: SystemTime::UNIX_EPOCH,
            generation: 1,
            restart_count: 0,
            last_pid: None,
            last_exit: None,
            fault: None,
            outdated: false,
            started_by: None,
            requests_made: 0,
            operation: None,
        }
    }

    fn presence(pid: u32, draining: bool) -> Presence {
        Presence {
            actor_id: ActorId::parse("a").unwrap(),
            pid,
            draining,
            in_flight: 0,
            heartbeat_at: SystemTime::UNIX_EPOCH,
            last_job_at: None,
            pending_ends: 0,
            refused_ends: 0,
        }
    }

    fn of<'a>(record: &'a ActorRecord, process: Option<ProcessState>) -> StateInputs<'a> {
        let (phase, presence, waits_for) = (None, None, None);
        let (failed_check, fault, trouble) = (None, "", "");
        StateInputs {
            phase,
            record,
            process,
            failed_check,
            reachable: true,
            fault,
            presence,
            trouble,
            waits_for,
        }
    }

    #[test]
    fn a_kill_for_a_health_check_is_told_as_that() {
        let killed = ExitStatus::Signal(9);
        let mut record = record(Desired::Up, Readiness::Queue);
        record.config.start_timeout = Duration::from_secs(30);
        let failed =
            FailedCheck { last: "ended with exit code 1 and wrote: no route".to_owned(), killed: true };
        let of_end = |config: &ActorConfig, failed| end_of_process(config, killed, failed);
        assert_eq!(of_end(&record.config, Some(&failed)), "its process ended with signal 9", "it has none");
        record.config.health_check = Some("check --token s3cret".to_owned());
        let told = "its health check \"check --token ***\" did not pass within 30s, so its process was killed; \
                    the last check ended with exit code 1 and wrote: no route";
        assert_eq!(of_end(&record.config, Some(&failed)), told);
        let backoff = Some(ProcessState::Backoff { exit: killed });
        let inputs = StateInputs { failed_check: Some(&failed), ..of(&record, backoff) };
        assert_eq!(derive(&inputs), (Backoff, format!("it will be started again: {told}")));
        let failed = FailedCheck { killed: false, ..failed.clone() };
        assert_eq!(of_end(&record.config, Some(&failed)), "its process ended with signal 9");
        let starting = Some(ProcessState::Starting { pid: Some(PID) });
        let inputs = StateInputs { failed_check: Some(&failed), ..of(&record, starting) };
        assert!(derive(&inputs).1.ends_with("yet: the last one ended with exit code 1 and wrote: no route"));
    }

    #[test]
    fn an_end_has_the_reason_of_whoever_has_brought_it_about() {
        let mut config = record(Desired::Up, Readiness::Queue).config;
        config.health_check = Some("check".to_owned());
        let failed = FailedCheck { last: "took longer than 1s".to_owned(), killed: true };
        for (killed, given_up, expected) in [
            (None, None, ""),
            (None, Some("it was not ready within 3s"), "it was not ready within 3s"),
            (Some(&failed), None, "the last check took longer than 1s"),
            // The process manager was faster, and knows more.
            (Some(&failed), Some("it was not ready within 3s"), "the last check took longer than 1s"),
        ] {
            let reason = reason_of_end(&config, ExitStatus::Signal(9), killed, given_up);
            assert!(reason.ends_with(expected) && reason.is_empty() == expected.is_empty(), "{reason}");
        }
    }

    #[test]
    fn a_process_is_shown_as_what_it_does() {
        let (up, down) = (record(Desired::Up, Readiness::Queue), record(Desired::Down, Readiness::Queue));
        let exit = |code| Some(ExitStatus::Code(code));
        let running = Some(ProcessState::Running { pid: PID });
        for (record, process, expected) in [
            (&up, running, Starting),
            (&up, Some(ProcessState::Starting { pid: Some(PID) }), Starting),
            (&up, Some(ProcessState::Waiting), Blocked),
            (&up, Some(ProcessState::Stopping { pid: Some(PID) }), Stopping),
            (&up, Some(ProcessState::Backoff { exit: ExitStatus::Code(1) }), Backoff),
            (&up, Some(ProcessState::SpawnFailed), Failed),
            (&up, Some(ProcessState::Down { exit: exit(0) }), Stopped),
            (&up, Some(ProcessState::Down { exit: exit(1) }), Failed),
            (&up, Some(ProcessState::Down { exit: None }), Backoff),
            (&up, None, Backoff),
            (&down, Some(ProcessState::Down { exit: exit(1) }), Stopped),
            (&down, None, Stopped),
            (&down, running, Starting),
        ] {
            let (state, message) = derive(&of(record, process));
            assert_eq!(state, expected, "{:?} {process:?}: {message}", record.desired);
        }
    }

    #[test]
    fn a_running_process_is_running_once_it_is_ready() {
        let (queue, process) =
            (record(Desired::Up, Readiness::Queue), record(Desired::Up, Readiness::Process));
        for (record, presence, expected) in [
            (&process, None, Running),
            (&queue, None, Starting),
            (&queue, Some(presence(PID, false)), Running),
            (&queue, Some(presence(PID, true)), Draining),
            // Another process of the name drains, or a wrapper hides the pid.
            (&queue, Some(presence(PID + 1, true)), Running),
        ] {
            let running = Some(ProcessState::Running { pid: PID });
            let inputs = StateInputs { presence: presence.as_ref(), ..of(record, running) };
            assert_eq!(derive(&inputs).0, expected, "{presence:?}");
        }
    }

    #[test]
    fn an_operation_comes_before_a_fault_and_a_fault_before_the_process() {
        let fault = |kind| Some(Fault { kind, message: "why".to_owned() });
        let up = record(Desired::Up, Readiness::Process);
        let failed = ActorRecord { fault: fault(FaultKind::StartFailed), ..up.clone() };
        let looping = ActorRecord { fault: fault(FaultKind::CrashLoop), ..up.clone() };
        let running = Some(ProcessState::Running { pid: PID });
        for (inputs, expected) in [
            (StateInputs { phase: Some((Stopping, "phase")), ..of(&failed, running) }, (Stopping, "phase")),
            (of(&failed, running), (Failed, "why")),
            (of(&looping, running), (CrashLoop, "why")),
            (StateInputs { reachable: false, ..of(&looping, None) }, (CrashLoop, "why")),
            (StateInputs { reachable: false, fault: "away", ..of(&up, running) }, (Unknown, "away")),
            (StateInputs { waits_for: Some("b"), ..of(&up, None) }, (Blocked, "waits for b")),
            (StateInputs { waits_for: Some("b"), ..of(&up, running) }, (Running, "")),
        ] {
            let (state, message) = derive(&inputs);
            assert_eq!((state, message.as_str()), expected);
        }
    }

    #[test]
    fn a_definition_that_the_process_does_not_have_yet_is_named() {
        let outdated = ActorRecord { outdated: true, ..record(Desired::Up, Readiness::Process) };
        let running = Some(ProcessState::Running { pid: PID });
        assert_eq!(derive(&of(&outdated, running)), (Running, OUTDATED.to_owned()));
    }
}
