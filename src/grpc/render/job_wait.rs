//! Reason for which a job waits.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::domain::actors::WaitReason;
use crate::domain::model::actor::ActorState;
use crate::domain::model::flow::FlowGate;
use crate::domain::model::id::JobId;
use crate::domain::model::text::quoted;
use crate::proto as pb;
use pb::job_wait::Reason;

/// Renders the reason and a sentence about it.
pub(crate) fn job_wait(why: WaitReason) -> pb::JobWait {
    let until = until(&why).map(super::timestamp);
    let (reason, message) = match why {
        WaitReason::Scheduled { until } => {
            (Reason::Scheduled, format!("it is scheduled for {}", time(until)))
        }
        WaitReason::OtherJob { job, is_itself } => {
            let message = match job {
                _itself if is_itself => {
                    "it waits until its actor has stopped it, since it was cancelled while it ran".to_owned()
                }
                Some(job) => format!("it waits for the end of job {job}, which has the same unique key"),
                None => "it waits for the end of another job with the same unique key".to_owned(),
            };
            (Reason::OtherJob, message)
        }
        WaitReason::RetryDelay { until } => {
            (Reason::RetryDelay, format!("its next attempt begins at {}", time(until)))
        }
        WaitReason::QueuePaused { queue, paused } => {
            let why = match paused.reason.as_str() {
                "" => String::new(),
                reason => format!(" ({reason})"),
            };
            let by = paused.by.map(|by| format!(" by {by}")).unwrap_or_default();
            let since = time(Some(paused.since));
            (Reason::QueuePaused, format!("the {queue} queue is paused{by} since {since}{why}"))
        }
        WaitReason::FlowKey { key, gate, jobs } => flow_key(&key, gate, &jobs),
        WaitReason::TargetNotRunning { actor, state: None } => {
            (Reason::TargetNotRunning, format!("it is for actor {actor}, which is not there"))
        }
        WaitReason::TargetNotRunning { actor, state: Some((state, why)) } => {
            let why = if why.is_empty() { why } else { format!(": {why}") };
            (Reason::TargetNotRunning, format!("it is for actor {actor}, which is {state}{why}"))
        }
        WaitReason::NoRunningActor { queue, states, example } => {
            let example = example.map(|(actor, state, why)| format!("; {actor} is {state}: {why}"));
            let message =
                format!("no {queue} actor runs ({}){}", counts(&states), example.unwrap_or_default());
            (Reason::NoRunningActor, message)
        }
        WaitReason::ActorsBusy { queue, running, queued } => {
            let actors = match running {
                1 => format!("1 {queue} actor runs"),
                several => format!("{several} {queue} actors run"),
            };
            let message = match queued {
                1 => format!("{actors}, and this job alone waits"),
                several => format!("{actors}, and {several} jobs wait"),
            };
            (Reason::ActorsBusy, message)
        }
    };
    pb::JobWait { reason: reason.into(), message, until }
}

/// Renders what keeps the jobs of a flow key, some of which run.
fn flow_key(key: &str, gate: FlowGate, jobs: &[JobId]) -> (Reason, String) {
    let key = quoted(key);
    match gate {
        FlowGate::Paused(pause) => {
            let why = if pause.reason.is_empty() { String::new() } else { format!(" ({})", pause.reason) };
            let until = pause.until.map(|until| format!(" until {}", time(Some(until)))).unwrap_or_default();
            (Reason::FlowKeyPaused, format!("its flow key {key} is paused{until}{why}"))
        }
        FlowGate::AtLimit(most) => {
            let names = jobs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let with = if names.is_empty() { names } else { format!(", with {names}") };
            let jobs = if most == 1 { "job" } else { "jobs" };
            let message = format!("its flow key {key} is at its limit of {most} running {jobs}{with}");
            (Reason::FlowKeyAtLimit, message)
        }
        FlowGate::OverRate { rate, opens } => {
            let jobs = if rate.jobs == 1 { "job" } else { "jobs" };
            let of = format!("{} {jobs} in {}", rate.jobs, humantime::format_duration(rate.period));
            let message = format!("its flow key {key} is at its rate of {of}, and opens at {}", exact(opens));
            (Reason::FlowKeyRate, message)
        }
    }
}

/// Returns the time at which the reason ends by itself.
fn until(why: &WaitReason) -> Option<SystemTime> {
    match why {
        WaitReason::Scheduled { until } | WaitReason::RetryDelay { until } => until.filter(is_date),
        WaitReason::FlowKey { gate: FlowGate::Paused(pause), .. } => pause.until.filter(is_date),
        WaitReason::FlowKey { gate: FlowGate::OverRate { opens, .. }, .. } => Some(*opens).filter(is_date),
        WaitReason::OtherJob { .. }
        | WaitReason::FlowKey { gate: FlowGate::AtLimit(_), .. }
        | WaitReason::QueuePaused { .. }
        | WaitReason::TargetNotRunning { .. }
        | WaitReason::NoRunningActor { .. }
        | WaitReason::ActorsBusy { .. } => None,
    }
}

fn counts(states: &BTreeMap<ActorState, u32>) -> String {
    if states.is_empty() {
        return "there is none: create or scale one".to_owned();
    }
    let each = states.iter().map(|(state, count)| format!("{count} {state}"));
    each.collect::<Vec<_>>().join(", ")
}

/// Longest time that has a date of four digits, in seconds since 1970. A damaged one is beyond it.
const LAST_DATE: u64 = 253_402_300_799;

fn is_date(at: &SystemTime) -> bool {
    at.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() <= LAST_DATE)
}

/// Renders a time for people; one without a date is not known.
pub(super) fn time(at: Option<SystemTime>) -> String {
    let date = at.filter(is_date).map(|at| humantime::format_rfc3339_seconds(at).to_string());
    date.unwrap_or_else(|| "a time that is not known".to_owned())
}

/// Renders a time to the millisecond.
fn exact(at: SystemTime) -> String {
    match is_date(&at) {
        true => humantime::format_rfc3339_millis(at).to_string(),
        false => time(None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::model::flow::{FlowPause, FlowRate};
    use crate::domain::model::script_type::ScriptType;
    use crate::ports::queue_admin::Paused;

    #[test]
    fn a_paused_queue_says_by_whom_and_why() {
        let message = |reason: &str, by: Option<&str>| {
            let (reason, by) = (reason.to_owned(), by.map(str::to_owned));
            let paused = Paused { since: SystemTime::UNIX_EPOCH, reason, by };
            job_wait(WaitReason::QueuePaused { queue: ScriptType::OSIS.into(), paused }).message
        };
        assert_eq!(message("", None), "the osis queue is paused since 1970-01-01T00:00:00Z");
        assert_eq!(
            message("a new disk", Some("token ops")),
            "the osis queue is paused by token ops since 1970-01-01T00:00:00Z (a new disk)"
        );
    }

    #[test]
    fn a_flow_key_says_what_holds_its_jobs() {
        let told = |gate| {
            let jobs = ["j1", "j2"].map(|id| JobId::parse(id).unwrap()).to_vec();
            job_wait(WaitReason::FlowKey { key: "acme".to_owned(), gate, jobs })
        };
        let limit = told(FlowGate::AtLimit(2));
        assert_eq!(limit.message, "its flow key \"acme\" is at its limit of 2 running jobs, with j1, j2");
        assert_eq!((limit.reason(), limit.until), (Reason::FlowKeyAtLimit, None));
        let pause = FlowPause { reason: "unpaid".to_owned(), until: Some(SystemTime::UNIX_EPOCH) };
        let paused = told(FlowGate::Paused(pause));
        assert_eq!(paused.message, "its flow key \"acme\" is paused until 1970-01-01T00:00:00Z (unpaid)");
        assert_eq!(paused.until.map(|until| until.seconds), Some(0));
        let for_ever = told(FlowGate::Paused(FlowPause::default()));
        assert_eq!(for_ever.message, "its flow key \"acme\" is paused");
        let rate = FlowRate { jobs: 100, period: Duration::from_secs(60), burst: 20 };
        let opens = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        let over = told(FlowGate::OverRate { rate, opens });
        let words =
            "its flow key \"acme\" is at its rate of 100 jobs in 1m, and opens at 1970-01-01T00:00:01.500Z";
        assert_eq!((over.reason(), over.message.as_str()), (Reason::FlowKeyRate, words));
        assert_eq!(over.until.map(|until| (until.seconds, until.nanos)), Some((1, 500_000_000)));
    }

    #[test]
    fn a_time_that_has_no_date_is_not_known() {
        let at = |seconds| time(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(LAST_DATE + 1), "a time that is not known");
        assert_eq!(time(None), "a time that is not known");
    }
}
