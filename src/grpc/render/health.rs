//! Health: state, pings, reports and policies.

use crate::domain::health::report::HealthReport;
use crate::domain::model::health::{
    Health, HealthAction, HealthSettings, Ping, PingOutcome, UnhealthyAction,
};
use crate::grpc::render::actor_state::state;
use crate::grpc::render::{count, duration, timestamp};
use crate::grpc::response_size::BatchBudget;
use crate::proto as pb;

/// Renders a report.
pub(crate) fn health_report(report: HealthReport) -> pb::HealthReport {
    pb::HealthReport {
        actor_id: report.actor_id.to_string(),
        health: health(report.health).into(),
        last_ping: report.last_ping.map(ping),
        consecutive_failures: count(report.consecutive_failures),
        reason: report.reason,
        action_taken: action(report.action).into(),
        state: state(report.state).into(),
        last_job_time: report.last_job_at.map(timestamp),
    }
}

/// Renders the reports of one answer, within the limits of [`BatchBudget`].
pub(crate) fn health_reports(reports: Vec<HealthReport>) -> Vec<pb::HealthReport> {
    let mut batch = BatchBudget::default();
    reports.into_iter().map(|report| batch.health(health_report(report))).collect()
}

/// Renders a health state.
pub(crate) fn health(health: Health) -> pb::actor::Health {
    match health {
        Health::Healthy => pb::actor::Health::Healthy,
        Health::Degraded => pb::actor::Health::Degraded,
        Health::Unhealthy => pb::actor::Health::Unhealthy,
        Health::Unknown => pb::actor::Health::Unknown,
    }
}

/// Renders an action.
pub(crate) fn action(action: HealthAction) -> pb::health_event::Action {
    match action {
        HealthAction::None => pb::health_event::Action::None,
        HealthAction::Pinged => pb::health_event::Action::Pinged,
        HealthAction::Restarted => pb::health_event::Action::Restarted,
    }
}

/// Renders a ping.
pub(crate) fn ping(ping: Ping) -> pb::Ping {
    let outcome = match ping.outcome {
        PingOutcome::Ok => pb::ping::Outcome::Ok,
        PingOutcome::TimedOut => pb::ping::Outcome::TimedOut,
        PingOutcome::Failed => pb::ping::Outcome::Failed,
    };
    pb::Ping {
        time: Some(timestamp(ping.at)),
        outcome: outcome.into(),
        round_trip: ping.round_trip.map(duration),
        message: ping.message,
    }
}

/// Renders the fields of a policy that are set.
pub(crate) fn health_settings(settings: HealthSettings) -> pb::HealthPolicy {
    let action = match settings.action {
        None => pb::health_policy::Action::Unspecified,
        Some(UnhealthyAction::Restart) => pb::health_policy::Action::Restart,
        Some(UnhealthyAction::ReportOnly) => pb::health_policy::Action::ReportOnly,
    };
    pb::HealthPolicy {
        idle_after: settings.idle_after.map(duration),
        ping_timeout: settings.ping_timeout.map(duration),
        ping_interval_after_failure: settings.retry_after.map(duration),
        failure_threshold: settings.failure_threshold.map(count),
        action: action.into(),
        ping_script: String::new(),
    }
}
