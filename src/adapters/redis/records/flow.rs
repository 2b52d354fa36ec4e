//! Rules of flow by key: as part of settings, and as the functions of a queue read them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::json::span_millis;
use super::{millis, time_of};
use crate::domain::model::flow::{FlowPause, FlowRate, FlowRule, FlowRules};

/// A rule in the settings of a queue.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FlowRuleRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    weight: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_running: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_queued: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<FlowRateRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused: Option<FlowPauseRecord>,
}

#[derive(Clone, Serialize, Deserialize)]
struct FlowRateRecord {
    jobs: u32,
    period_ms: u64,
    burst: u32,
}

#[derive(Clone, Serialize, Deserialize)]
struct FlowPauseRecord {
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_ms: Option<i64>,
}

pub(super) fn flow_records(rules: &FlowRules) -> Vec<FlowRuleRecord> {
    let record = |rule: &FlowRule| FlowRuleRecord {
        key: rule.key.clone(),
        weight: rule.weight,
        max_running: rule.max_running,
        max_queued: rule.max_queued,
        rate: rule.rate.map(|FlowRate { jobs, period, burst }| FlowRateRecord {
            jobs,
            period_ms: span_millis(period),
            burst,
        }),
        paused: rule
            .paused
            .as_ref()
            .map(|pause| FlowPauseRecord { reason: pause.reason.clone(), until_ms: pause.until.map(millis) }),
    };
    rules.iter().map(record).collect()
}

pub(super) fn flow_rules(records: Vec<FlowRuleRecord>) -> Result<FlowRules, String> {
    let rule = |record: FlowRuleRecord| FlowRule {
        key: record.key,
        weight: record.weight,
        max_running: record.max_running,
        max_queued: record.max_queued,
        rate: record.rate.map(|FlowRateRecord { jobs, period_ms, burst }| FlowRate {
            jobs,
            period: Duration::from_millis(period_ms),
            burst,
        }),
        paused: record
            .paused
            .map(|pause| FlowPause { reason: pause.reason, until: pause.until_ms.map(time_of) }),
    };
    let rules = records.into_iter().map(rule).collect();
    FlowRules::new(rules).map_err(|violations| violations.sentence(200))
}

/// The rules as `hero_flow` gets them.
#[derive(Serialize)]
struct Functional<'a> {
    keys: BTreeMap<&'a str, FunctionalRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<FunctionalRule>,
}

#[derive(Serialize)]
struct FunctionalRule {
    /// Weight.
    w: u32,
    /// Most running.
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<u32>,
    /// Most queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    q: Option<u32>,
    /// End of the pause, 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<i64>,
    /// Milliseconds between two jobs of the rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    i: Option<f64>,
    /// Most jobs of the rate at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<u32>,
}

impl From<&FlowRule> for FunctionalRule {
    fn from(rule: &FlowRule) -> Self {
        Self {
            w: rule.weight,
            r: rule.max_running,
            q: rule.max_queued,
            p: rule.paused.as_ref().map(|pause| pause.until.map_or(0, millis)),
            i: rule.rate.map(|rate| rate.period.as_secs_f64() * 1000.0 / f64::from(rate.jobs.max(1))),
            b: rule.rate.map(|rate| rate.burst),
        }
    }
}

/// Encodes rules for the functions of a queue; an empty text for none.
pub(in super::super) fn encode_flow(rules: &FlowRules) -> String {
    if rules.is_empty() {
        return String::new();
    }
    let keys = rules.iter().filter_map(|rule| Some((rule.key.as_deref()?, rule.into()))).collect();
    let others = rules.iter().find(|rule| rule.key.is_none()).map(Into::into);
    // Texts and numbers: serde_json cannot fail on it.
    serde_json::to_string(&Functional { keys, others }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn rules_read_as_they_were_written_and_functions_get_what_they_need() {
        let until = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234);
        let acme = FlowRule {
            weight: 4,
            max_running: Some(3),
            paused: Some(FlowPause { reason: "too \"much\"".to_owned(), until: Some(until) }),
            ..FlowRule::new(Some("acme".to_owned()))
        };
        let others =
            FlowRule { max_queued: Some(9), paused: Some(FlowPause::default()), ..FlowRule::new(None) };
        let rate = FlowRate { jobs: 7, period: Duration::from_secs(60), burst: 2 };
        let zoo = FlowRule { rate: Some(rate), ..FlowRule::new(Some("zoo".to_owned())) };
        let rules = FlowRules::new(vec![others, acme, zoo]).unwrap();
        assert_eq!(flow_rules(flow_records(&rules)), Ok(rules.clone()));
        assert_eq!(
            encode_flow(&rules),
            concat!(
                r#"{"keys":{"acme":{"w":4,"r":3,"p":1234},"zoo":{"w":1,"i":8571.42857142857,"b":2}},"#,
                r#""others":{"w":1,"q":9,"p":0}}"#
            )
        );
        assert_eq!(encode_flow(&FlowRules::default()), "");
    }
}
