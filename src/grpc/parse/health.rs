//! Requests about health.

use std::time::Duration;

use crate::domain::actors::ActorSelector;
use crate::domain::model::health::{HealthSettings, Scope, UnhealthyAction};
use crate::domain::model::violation::Violations;
use crate::grpc::parse::selector::selector;
use crate::grpc::parse::value::{count, duration, optional, unknown};
use crate::grpc::status::Failure;
use crate::proto as pb;

/// A parsed CheckHealth request.
#[derive(Debug)]
pub(crate) struct CheckHealth {
    /// The actors.
    pub(crate) selector: ActorSelector,
    /// The actors among them to ping.
    pub(crate) scope: Scope,
    /// Longest wait, if the caller gives one.
    pub(crate) max_wait: Option<Duration>,
}

/// Parses a CheckHealth request.
pub(crate) fn check_health(request: pb::CheckHealthRequest) -> Result<CheckHealth, Failure> {
    let (selector, max_wait) = selector(request.selector, request.max_wait)?;
    let mut violations = Violations::new();
    let scope = violations.keep("scope", scope(request.scope)).unwrap_or_default();
    violations.into_result()?;
    Ok(CheckHealth { selector, scope, max_wait })
}

fn scope(raw: i32) -> Result<Scope, String> {
    use pb::check_health_request::Scope as Raw;
    match Raw::try_from(raw) {
        Ok(Raw::Unspecified | Raw::Idle) => Ok(Scope::Idle),
        Ok(Raw::All) => Ok(Scope::All),
        Ok(Raw::None) => Ok(Scope::None),
        Err(_) => Err(unknown(raw, "SCOPE_IDLE, SCOPE_ALL or SCOPE_NONE")),
    }
}

/// Parses the fields of a policy that are set; the domain checks their limits.
pub(crate) fn health_settings(policy: &pb::HealthPolicy, violations: &mut Violations) -> HealthSettings {
    let v = violations;
    if !policy.ping_script.is_empty() {
        v.add("ping_script", "is not possible in this version: leave it empty");
    }
    HealthSettings {
        idle_after: optional(v, "idle_after", policy.idle_after, duration),
        ping_timeout: optional(v, "ping_timeout", policy.ping_timeout, duration),
        retry_after: optional(v, "ping_interval_after_failure", policy.ping_interval_after_failure, duration),
        failure_threshold: optional(v, "failure_threshold", policy.failure_threshold, count),
        action: v.keep("action", action(policy.action)).flatten(),
    }
}

fn action(raw: i32) -> Result<Option<UnhealthyAction>, String> {
    use pb::health_policy::Action;
    match Action::try_from(raw) {
        Ok(Action::Unspecified) => Ok(None),
        Ok(Action::Restart) => Ok(Some(UnhealthyAction::Restart)),
        Ok(Action::ReportOnly) => Ok(Some(UnhealthyAction::ReportOnly)),
        Err(_) => Err(unknown(raw, "ACTION_RESTART or ACTION_REPORT_ONLY")),
    }
}
