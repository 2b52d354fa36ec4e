//! Rules of flow by key.

use crate::domain::model::flow::{FlowPause, FlowRule, FlowRules};
use crate::domain::model::violation::Violations;
use crate::grpc::parse::value::{count, given, optional, timestamp};
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
    let pb::FlowRule { key, weight, max_running, max_queued, paused } = rule;
    FlowRule {
        key: given(key),
        weight: optional(v, "weight", weight, count).unwrap_or(1),
        max_running: optional(v, "max_running", max_running, count),
        max_queued: optional(v, "max_queued", max_queued, count),
        paused: paused.map(|pb::FlowPause { reason, until }| FlowPause {
            reason,
            until: optional(v, "paused.until", until, timestamp),
        }),
    }
}
