//! Rules of flow by key.

use super::{count, duration, timestamp};
use crate::domain::model::flow::{FlowPause, FlowRate, FlowRule, FlowRules};
use crate::proto as pb;

/// Renders the rules of a queue.
pub(super) fn flow_rules(rules: &FlowRules) -> Vec<pb::FlowRule> {
    rules.iter().map(flow_rule).collect()
}

fn flow_rule(rule: &FlowRule) -> pb::FlowRule {
    let pause =
        |pause: &FlowPause| pb::FlowPause { reason: pause.reason.clone(), until: pause.until.map(timestamp) };
    pb::FlowRule {
        key: rule.key.clone().unwrap_or_default(),
        weight: Some(count(rule.weight)),
        max_running: rule.max_running.map(count),
        max_queued: rule.max_queued.map(count),
        paused: rule.paused.as_ref().map(pause),
        rate: rule.rate.map(|FlowRate { jobs, period, burst }| pb::FlowRate {
            jobs: count(jobs),
            period: Some(duration(period)),
            burst: Some(count(burst)),
        }),
    }
}
