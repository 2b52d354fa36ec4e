//! Rules of flow by key.

use std::time::Duration;

use crate::domain::model::flow::{FlowPause, FlowRate, FlowRule, FlowRules};
use crate::domain::model::violation::Violations;
use crate::grpc::parse::value::{count, duration, given, optional, timestamp};
use crate::proto as pb;

/// Parses the rules of a queue.
pub(super) fn flow_rules(given: Vec<pb::FlowRule>, violations: &mut Violations) -> FlowRules {
    let rules = given.into_iter().enumerate().map(|(index, rule)| {
        let mut part = Violations::new();
        let rule = flow_rule(rule, &mut part);
        violations.nest(&format!("flow_rules[{index}]"), part);
        rule
    });
    let rules = rules.collect();
    FlowRules::new(rules).unwrap_or_else(|part| {
        violations.append(part);
        FlowRules::default()
    })
}

fn flow_rule(rule: pb::FlowRule, violations: &mut Violations) -> FlowRule {
    let v = violations;
    let pb::FlowRule { key, weight, max_running, max_queued, paused, rate } = rule;
    FlowRule {
        key: given(key),
        weight: optional(v, "weight", weight, count).unwrap_or(1),
        max_running: optional(v, "max_running", max_running, count),
        max_queued: optional(v, "max_queued", max_queued, count),
        rate: rate.map(|rate| flow_rate(rate, v)),
        paused: paused.map(|pb::FlowPause { reason, until }| FlowPause {
            reason,
            until: optional(v, "paused.until", until, timestamp),
        }),
    }
}

fn flow_rate(rate: pb::FlowRate, violations: &mut Violations) -> FlowRate {
    let pb::FlowRate { jobs, period, burst } = rate;
    let v = violations;
    // What cannot be read is told once: a value that is allowed takes its place.
    let jobs = v.keep("rate.jobs", count(jobs)).unwrap_or(1);
    let period = match period {
        Some(period) => v.keep("rate.period", duration(period)).unwrap_or(Duration::from_secs(1)),
        None => Duration::ZERO,
    };
    FlowRate::new(jobs, period, optional(v, "rate.burst", burst, count))
}
