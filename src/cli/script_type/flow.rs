//! A rule of flow by key, as one option.

use std::time::SystemTime;

use crate::adapters::system_clock::SystemClock;
use crate::cli::values::{self, moment, span, to_proto};
use crate::ports::clock::Clock;
use crate::proto::{FlowPause, FlowRate, FlowRule};

/// Parses `key=acme,weight=4,max-running=3,max-queued=100,rate=100/1m,burst=20,paused=REASON,until=10m`, each part of which may be
/// missing. Without a key the rule is for all other keys.
pub(super) fn flow_rule(raw: &str) -> Result<FlowRule, String> {
    let mut rule = FlowRule::default();
    let (mut until, mut burst) = (None, None);
    for part in raw.split(',') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let number = || value.parse::<i32>().map_err(|_| format!("{name}: {value:?} is not a number"));
        match name {
            "key" => rule.key = value.to_owned(),
            "weight" => rule.weight = Some(number()?),
            "max-running" => rule.max_running = Some(number()?),
            "max-queued" => rule.max_queued = Some(number()?),
            "rate" => rule.rate = Some(rate(value)?),
            "burst" => burst = Some(number()?),
            "paused" => rule.paused.get_or_insert_default().reason = value.to_owned(),
            "until" => until = Some(end_of_pause(value)?),
            other => {
                return Err(format!(
                    "{other:?} is no part of a rule: use key, weight, max-running, max-queued, rate, burst, paused \
                     or until, for instance key=acme,max-running=3"
                ));
            }
        }
    }
    match (&mut rule.rate, burst) {
        (Some(rate), burst) => rate.burst = burst,
        (None, Some(_)) => return Err("burst is part of a rate: add rate, such as rate=100/1m".to_owned()),
        (None, None) => {}
    }
    match (&mut rule.paused, until) {
        (Some(pause), until) => pause.until = until.map(Into::into),
        (None, Some(_)) => return Err("until is the end of a pause: add paused, or paused=REASON".to_owned()),
        (None, None) => {}
    }
    Ok(rule)
}

/// Parses the jobs of a period and the period: `100/1m`.
fn rate(raw: &str) -> Result<FlowRate, String> {
    let (jobs, period) = raw
        .split_once('/')
        .ok_or_else(|| format!("rate: {raw:?} has no period: use jobs and a period, such as 100/1m"))?;
    let jobs = jobs.parse::<i32>().map_err(|_| format!("rate: {jobs:?} is not a number"))?;
    let period = span(period).map_err(|what| format!("rate: {what}"))?;
    Ok(FlowRate { jobs, period: to_proto(period), burst: None })
}

/// Parses the end of a pause: a time, or the time from now until then.
fn end_of_pause(raw: &str) -> Result<SystemTime, String> {
    match span(raw) {
        Ok(span) => SystemClock.now().checked_add(span).ok_or_else(|| format!("{raw:?} is too far ahead")),
        Err(_) => {
            moment(raw).map_err(|_| format!("until: {raw:?} is not a time: use 10m or 2026-01-31T12:00:00Z"))
        }
    }
}

/// Renders rules for people.
pub(super) fn describe(rules: &[FlowRule]) -> String {
    let one = |rule: &FlowRule| {
        let key = if rule.key.is_empty() { "all others" } else { &rule.key };
        let mut parts = vec![format!("weight {}", rule.weight.unwrap_or(1))];
        parts.extend(rule.max_running.map(|most| format!("at most {most} running")));
        parts.extend(rule.max_queued.map(|most| format!("at most {most} queued")));
        parts.extend(rule.rate.as_ref().map(evenly));
        parts.extend(rule.paused.as_ref().map(paused));
        format!("{key}: {}", parts.join(", "))
    };
    match rules {
        [] => "none".to_owned(),
        rules => rules.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

fn evenly(rate: &FlowRate) -> String {
    let burst = rate.burst.filter(|burst| *burst != rate.jobs);
    let burst = burst.map_or_else(String::new, |burst| format!(" ({burst} at once)"));
    format!("{} in {}{burst}", values::jobs(rate.jobs.into()), values::duration(rate.period))
}

fn paused(pause: &FlowPause) -> String {
    let until = pause.until.and_then(|at| SystemTime::try_from(at).ok());
    let until =
        until.map_or_else(String::new, |at| format!(" until {}", humantime::format_rfc3339_seconds(at)));
    let why = if pause.reason.is_empty() { String::new() } else { format!(" ({})", pause.reason) };
    format!("paused{until}{why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_and_shown() {
        let rule = flow_rule("key=acme,weight=4,max-running=3,max-queued=100").unwrap();
        assert_eq!((rule.weight, rule.max_running, rule.max_queued), (Some(4), Some(3), Some(100)));
        let others = flow_rule("paused=too much,until=2026-01-31T12:00:00Z").unwrap();
        assert_eq!(
            describe(&[rule, others]),
            "acme: weight 4, at most 3 running, at most 100 queued; \
             all others: weight 1, paused until 2026-01-31T12:00:00Z (too much)"
        );
        let rates = ["key=zoo,burst=20,rate=100/1m", "rate=1/1s", "rate=1/1s,burst=1"]
            .map(|raw| flow_rule(raw).unwrap());
        assert_eq!(rates[0].rate.as_ref().map(|rate| (rate.jobs, rate.burst)), Some((100, Some(20))));
        assert_eq!(
            describe(&rates),
            "zoo: weight 1, 100 jobs in 1m (20 at once); all others: weight 1, 1 job in 1s; \
             all others: weight 1, 1 job in 1s"
        );
        assert_eq!(describe(&[flow_rule("paused").unwrap()]), "all others: weight 1, paused");
        assert_eq!(describe(&[]), "none");
    }

    #[test]
    fn what_is_no_rule_is_told() {
        for (raw, remedy) in [
            ("", "for instance key=acme,max-running=3"),
            ("key=a,limit=3", "use key, weight"),
            ("weight=many", "is not a number"),
            ("key=a,until=10m", "add paused"),
            ("paused,until=soon", "use 10m"),
            ("rate=100", "such as 100/1m"),
            ("rate=NaN/1m", "\"NaN\" is not a number"),
            ("rate=-inf/1m", "is not a number"),
            ("rate=5/soon", "use 500ms, 30s"),
            ("rate=5/1m,burst=many", "burst: \"many\" is not a number"),
            ("burst=5", "add rate"),
        ] {
            assert!(flow_rule(raw).unwrap_err().contains(remedy), "{raw}");
        }
    }
}
