//! Flow by key: how many jobs of one key may wait and run in a queue, and how much of its actors each key gets.
//!
//! Every job has a key: its own, or its caller. A queue has rules for keys; without any it has no flow by key.

mod rate;
mod schedule;

use std::time::SystemTime;

pub use rate::{FlowRate, FlowUse};
pub use schedule::FlowSchedule;

use crate::domain::model::job::{JobKind, JobSpec};
use crate::domain::model::text::{has_hidden, quoted};
use crate::domain::model::violation::Violations;

/// Most rules of a queue.
pub const MAX_FLOW_RULES: usize = 100;
/// Largest weight of a key.
pub const MAX_WEIGHT: u32 = 1000;
/// Largest number of jobs in a rule.
pub const MAX_FLOW_JOBS: u32 = 1_000_000;
/// Longest reason of a pause, in bytes.
pub const MAX_REASON_BYTES: usize = 256;
/// Longest key of a rule, in bytes: that of a caller.
const MAX_RULE_KEY_BYTES: usize = super::job::MAX_NAME_BYTES;

/// Rule for the jobs of one key, or for those of each other key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRule {
    /// The key; None for every key that has no rule of its own, each by itself.
    pub key: Option<String>,
    /// Share of the actors, as against the other keys that have jobs: 1 to [`MAX_WEIGHT`].
    pub weight: u32,
    /// Most jobs that run at a time; None is any number.
    pub max_running: Option<u32>,
    /// Most jobs that wait for an actor; None is any number.
    pub max_queued: Option<u32>,
    /// Most jobs that are handed out in a span of time; None is any number.
    pub rate: Option<FlowRate>,
    /// The pause of the key, if it is paused.
    pub paused: Option<FlowPause>,
}

/// The pause of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowPause {
    /// Reason, in the words of the caller.
    pub reason: String,
    /// End of the pause; None is until the rule changes.
    pub until: Option<SystemTime>,
}

impl FlowRule {
    /// A rule that limits nothing.
    pub fn new(key: Option<String>) -> Self {
        Self { key, weight: 1, max_running: None, max_queued: None, rate: None, paused: None }
    }

    /// Returns the pause that holds at this time.
    pub fn pause_at(&self, now: SystemTime) -> Option<&FlowPause> {
        self.paused.as_ref().filter(|pause| pause.until.is_none_or(|until| until > now))
    }

    /// Notes what of the fields is not allowed.
    fn check(&self, violations: &mut Violations) {
        let v = violations;
        match self.key.as_deref() {
            Some(key) if key.len() > MAX_RULE_KEY_BYTES => {
                v.add("key", format!("has {} bytes: use at most {MAX_RULE_KEY_BYTES}", key.len()));
            }
            Some(key) if has_hidden(key) => {
                v.add("key", "has a control character, or another one that does not show");
            }
            Some(_) | None => {}
        }
        if !(1..=MAX_WEIGHT).contains(&self.weight) {
            v.add("weight", format!("is {}: use 1 to {MAX_WEIGHT}", self.weight));
        }
        let counts = [("max_running", self.max_running), ("max_queued", self.max_queued)];
        for (field, most) in counts.into_iter().filter_map(|(field, most)| Some((field, most?))) {
            if !(1..=MAX_FLOW_JOBS).contains(&most) {
                let told = format!("is {most}: use 1 to {MAX_FLOW_JOBS}, leave it out for any number");
                v.add(field, format!("{told}, or pause the key to let none run"));
            }
        }
        if let Some(rate) = &self.rate {
            let mut part = Violations::new();
            rate.check(&mut part);
            v.nest("rate", part);
        }
        let reason = self.paused.as_ref().map_or("", |pause| pause.reason.as_str());
        if reason.len() > MAX_REASON_BYTES {
            v.add("paused.reason", format!("has {} bytes: use at most {MAX_REASON_BYTES}", reason.len()));
        } else if has_hidden(reason) {
            v.add("paused.reason", "has a control character, or another one that does not show");
        }
    }
}

/// The rules of a queue, at most one for each key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowRules(Vec<FlowRule>);

impl FlowRules {
    /// Checks rules.
    ///
    /// # Errors
    /// The violations, as `flow_rules[INDEX].FIELD`.
    pub fn new(rules: Vec<FlowRule>) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        if rules.len() > MAX_FLOW_RULES {
            violations.add("flow_rules", format!("has {} rules, more than {MAX_FLOW_RULES}", rules.len()));
        }
        for (index, rule) in rules.iter().enumerate().take(MAX_FLOW_RULES) {
            let mut part = Violations::new();
            rule.check(&mut part);
            if rules.iter().take(index).any(|other| other.key == rule.key) {
                let whose = rule
                    .key
                    .as_ref()
                    .map_or_else(|| "all other keys".to_owned(), |key| format!("key {}", quoted(key)));
                part.add("key", format!("has a second rule for {whose}: leave one of them out"));
            }
            violations.nest(&format!("flow_rules[{index}]"), part);
        }
        violations.into_result().map(|()| Self(rules))
    }

    /// True without any rule: the queue has no flow by key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the rules.
    pub fn iter(&self) -> impl Iterator<Item = &FlowRule> {
        self.0.iter()
    }

    /// Returns the rule for a key: its own one, or that for all others.
    pub fn rule_of(&self, key: &str) -> Option<&FlowRule> {
        let own = self.0.iter().find(|rule| rule.key.as_deref() == Some(key));
        own.or_else(|| self.0.iter().find(|rule| rule.key.is_none()))
    }

    /// Returns the share of a key.
    pub fn weight_of(&self, key: &str) -> u32 {
        self.rule_of(key).map_or(1, |rule| rule.weight.max(1))
    }

    /// True if a rule limits how many jobs are handed out in a span of time.
    pub fn have_rates(&self) -> bool {
        self.0.iter().any(|rule| rule.rate.is_some())
    }

    /// Returns the rate of a key, if it has one.
    pub fn rate_of(&self, key: &str) -> Option<FlowRate> {
        self.rule_of(key)?.rate
    }

    /// Returns what keeps the jobs of a key from an actor, while so many of them have one; its rate aside.
    pub fn gate_of(&self, key: &str, running: u64, now: SystemTime) -> Option<FlowGate> {
        let rule = self.rule_of(key)?;
        if let Some(pause) = rule.pause_at(now) {
            return Some(FlowGate::Paused(pause.clone()));
        }
        let limit = rule.max_running.filter(|most| running >= u64::from(*most))?;
        Some(FlowGate::AtLimit(limit))
    }
}

/// Reason for which no job of a key is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowGate {
    /// The key is paused.
    Paused(FlowPause),
    /// Most jobs of the key run that may.
    AtLimit(u32),
    /// As many were handed out as its rate allows.
    OverRate {
        /// The rate.
        rate: FlowRate,
        /// Time at which the key gives its next job.
        opens: SystemTime,
    },
}

/// As many jobs of a key wait as its rule allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("flow key {key:?} is full: {queued} of its jobs wait, {limit} are allowed")]
pub struct FlowKeyFull {
    /// The key.
    pub key: String,
    /// Jobs of the key that wait.
    pub queued: u64,
    /// Jobs of the key that may wait.
    pub limit: u64,
}

/// Returns the key of a job: its own, or its caller. None for a job that is under no rule: one for a named actor, or a ping.
pub fn key_of(spec: &JobSpec) -> Option<&str> {
    let is_for_all = spec.target_actor.is_none() && spec.kind == JobKind::Script;
    is_for_all.then(|| spec.flow_key.as_deref().unwrap_or(&spec.caller_id))
}

#[cfg(test)]
mod tests;
