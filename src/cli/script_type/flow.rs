//! A rule of flow by key, as one option.

use std::time::SystemTime;

use crate::adapters::system_clock::SystemClock;
use crate::cli::values::{moment, span};
use crate::ports::clock::Clock;
use crate::proto::{FlowPause, FlowRule};

/// Parses `key=acme,weight=4,max-running=3,max-queued=100,paused=REASON,until=10m`, each part of which may be missing. Without
/// a key the rule is for all other keys.
pub(super) fn flow_rule(raw: &str) -> Result<FlowRule, String> {
    let mut rule = FlowRule::default();
    let mut until = None;
    for part in raw.split(',') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let number = || value.parse::<i32>().map_err(|_| format!("{name}: {value:?} is not a number"));
        match name {
            "key" => rule.key = value.to_owned(),
            "weight" => rule.weight = Some(number()?),
            "max-running" => rule.max_running = Some(number()?),
            "max-queued" => rule.max_queued = Some(number()?),
            "paused" => rule.paused.get_or_insert_default().reason = value.to_owned(),
            "until" => until = Some(end_of_pause(value)?),
            other => {
                return Err(format!(
                    "{other:?} is no part of a rule: use key, weight, max-running, max-queued, paused or until, for \
                     instance key=acme,max-running=3"
                ));
            }
        }
    }
    match (&mut rule.paused, until) {
        (Some(pause), until) => pause.until = until.map(Into::into),
        (None, Some(_)) => return Err("until is the end of a pause: add paused, or paused=REASON".to_owned()),
        (None, None) => {}
    }
    Ok(rule)
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
        parts.extend(rule.paused.as_ref().map(paused));
        format!("{key}: {}", parts.join(", "))
    };
    match rules {
        [] => "none".to_owned(),
        rules => rules.iter().map(one).collect::<Vec<_>>().join("; "),
    }
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
        ] {
            assert!(flow_rule(raw).unwrap_err().contains(remedy), "{raw}");
        }
    }
}
