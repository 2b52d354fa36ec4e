//! `[[script_type.TYPE.flow_rules]]` of the configuration file: rules of flow by key.

use std::time::Duration;

use figment::value::Dict;

use super::table::Table;
use crate::domain::model::flow::{FlowPause, FlowRate, FlowRule, FlowRules};
use crate::domain::model::violation::Violations;

const KEY: &str = "flow_rules";

/// Reads the rules of a queue; None without the key.
pub(super) fn flow_rules(table: &mut Table<'_>) -> Option<FlowRules> {
    let tables: Vec<Dict> = table.get(KEY)?;
    let mut violations = Violations::new();
    let mut rules = Vec::with_capacity(tables.len());
    for (index, dict) in tables.iter().enumerate() {
        let mut part = Violations::new();
        let mut inner = Table::new(dict, &mut part);
        rules.push(flow_rule(&mut inner));
        inner.refuse_unknown();
        violations.nest(&format!("{KEY}[{index}]"), part);
    }
    match FlowRules::new(rules) {
        Ok(rules) if violations.is_empty() => return Some(rules),
        Ok(_rules) => {}
        Err(part) => violations.append(part),
    }
    table.append(violations.into_result());
    None
}

fn flow_rule(table: &mut Table<'_>) -> FlowRule {
    FlowRule {
        key: table.get::<String>("key").filter(|key| !key.is_empty()),
        weight: table.get("weight").unwrap_or(1),
        max_running: table.get("max_running"),
        max_queued: table.get("max_queued"),
        rate: table.part("rate", flow_rate),
        paused: table.part("paused", |table| FlowPause {
            reason: table.get("reason").unwrap_or_default(),
            until: table.moment("until"),
        }),
    }
}

fn flow_rate(table: &mut Table<'_>) -> FlowRate {
    // What cannot be read is told once: a value that is allowed takes its place.
    let (has_jobs, has_period) = (table.has("jobs"), table.has("period"));
    let jobs = table.get("jobs").unwrap_or(u32::from(has_jobs));
    let period = table.span("period").unwrap_or(Duration::from_secs(u64::from(has_period)));
    FlowRate::new(jobs, period, table.get("burst"))
}
