//! Script types: settings, queues, scaling decisions.

use crate::domain::actors::ScriptTypeStatus;
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::health::{HealthPolicy, HealthSettings};
use crate::domain::model::id::ActorId;
use crate::domain::model::job::DEFAULT_AGEING;
use crate::domain::model::scaling::{NodeShare, ScaleScope, ScalingDecision, ScalingMode, ScalingPolicy};
use crate::domain::model::settings::{JobSettings, ScriptTypeSettings};
use crate::grpc::render::actor::{ActorView, config};
use crate::grpc::render::flow::flow_rules;
use crate::grpc::render::health::health_settings;
use crate::grpc::render::job::retry_policy;
use crate::grpc::render::{count, duration, script_type, timestamp};
use crate::proto as pb;

/// Renders the status of a script type.
pub(crate) fn script_type_status(status: ScriptTypeStatus, view: ActorView) -> pb::ScriptTypeStatus {
    let ScriptTypeStatus {
        settings: rules,
        template,
        queue,
        queue_limit,
        rates,
        actors,
        last_decision,
        next_scaling_at,
    } = status;
    let scaling = rules.scaling;
    let desired = match scaling.mode {
        ScalingMode::Fixed => scaling.replicas,
        ScalingMode::Auto => last_decision.as_ref().map(|decision| decision.desired),
    };
    pb::ScriptTypeStatus {
        script_type: script_type(rules.script_type).into(),
        queue: rules.queue.default_type().map_or_else(|| rules.queue.to_string(), |_type| String::new()),
        settings: Some(settings(&rules, template, view)),
        paused: queue.paused.is_some(),
        desired_replicas: desired.map(count),
        actors_total: count(actors.total),
        actors_running: count(actors.running),
        actors_busy: count(actors.busy),
        actors_unhealthy: count(actors.unhealthy),
        jobs_queued: count(queue.depth.queued),
        jobs_running: count(queue.depth.running),
        jobs_delayed: count(queue.depth.delayed),
        oldest_queued_age: queue.oldest_age.map(duration),
        last_scaling_decision: last_decision.map(scaling_decision),
        next_scaling_time: next_scaling_at.map(timestamp),
        submitted_per_second: rates.submitted,
        finished_per_second: rates.finished,
        pause_reason: queue.paused.as_ref().map(|paused| paused.reason.clone()).unwrap_or_default(),
        pause_time: queue.paused.map(|paused| timestamp(paused.since)),
        queue_limit: queue_limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX)),
    }
}

/// Renders settings with their template, defaults filled in.
pub(crate) fn settings(
    rules: &ScriptTypeSettings,
    template: Option<ActorConfig>,
    view: ActorView,
) -> pb::ScriptTypeSettings {
    pb::ScriptTypeSettings {
        scaling_policy: Some(scaling_policy(&rules.scaling)),
        health_policy: Some(health_policy(rules.health)),
        actor_template: template.map(|template| config(template, view)),
        job_defaults: Some(job_defaults(&rules.job_defaults)),
        max_queue_depth: rules.max_queue_depth.map(count),
        priority_ageing: Some(duration(rules.priority_ageing.unwrap_or(DEFAULT_AGEING))),
        flow_rules: flow_rules(&rules.flow),
    }
}

/// Renders a scaling decision.
pub(crate) fn scaling_decision(decision: ScalingDecision) -> pb::ScalingDecision {
    let ids = |ids: &[ActorId]| ids.iter().map(ActorId::to_string).collect();
    pb::ScalingDecision {
        time: Some(timestamp(decision.at)),
        current_replicas: count(decision.current),
        desired_replicas: count(decision.desired),
        jobs_queued: count(decision.queued),
        jobs_running: count(decision.running),
        oldest_queued_age: decision.oldest_age.map(duration),
        added_actor_ids: ids(&decision.added),
        removed_actor_ids: ids(&decision.removed),
        unplaced_replicas: count(decision.shares.unplaced),
        shares: shares(decision.shares.nodes),
        reason: decision.reason,
    }
}

/// Renders the shares of machines.
pub(crate) fn shares(shares: Vec<NodeShare>) -> Vec<pb::NodeShare> {
    let share = |share: NodeShare| pb::NodeShare {
        node: share.node.to_string(),
        replicas: count(share.replicas),
        present: share.present,
        fault: share.fault,
    };
    shares.into_iter().map(share).collect()
}

fn scaling_policy(policy: &ScalingPolicy) -> pb::ScalingPolicy {
    let mode = match policy.mode {
        ScalingMode::Fixed => pb::scaling_policy::Mode::Fixed,
        ScalingMode::Auto => pb::scaling_policy::Mode::Auto,
    };
    let scope = match policy.scope {
        ScaleScope::Node => pb::ScaleScope::Node,
        ScaleScope::Fleet => pb::ScaleScope::Fleet,
    };
    pb::ScalingPolicy {
        mode: mode.into(),
        scope: scope.into(),
        replicas: policy.replicas.map(count),
        min_replicas: Some(count(policy.min_replicas)),
        max_replicas: Some(count(policy.max_replicas)),
        target_jobs_per_actor: Some(count(policy.target_jobs_per_actor)),
        max_queue_age: policy.max_queue_age.map(duration),
        scale_out_delay: Some(duration(policy.scale_out_delay)),
        scale_in_delay: Some(duration(policy.scale_in_delay)),
        scale_to_zero_delay: Some(duration(policy.scale_to_zero_delay)),
        max_step_out: Some(count(policy.max_step_out)),
        max_step_in: Some(count(policy.max_step_in)),
        drain_timeout: policy.drain_timeout.map(duration),
    }
}

/// Renders a complete policy.
fn health_policy(policy: HealthPolicy) -> pb::HealthPolicy {
    let HealthPolicy { idle_after, ping_timeout, retry_after, failure_threshold, action } = policy;
    health_settings(HealthSettings {
        idle_after: Some(idle_after),
        ping_timeout: Some(ping_timeout),
        retry_after: Some(retry_after),
        failure_threshold: Some(failure_threshold),
        action: Some(action),
    })
}

fn job_defaults(defaults: &JobSettings) -> pb::JobDefaults {
    pb::JobDefaults {
        run_timeout: defaults.run_timeout.map(duration),
        queue_timeout: defaults.queue_timeout.map(duration),
        result_ttl: defaults.result_ttl.map(duration),
        retry_policy: defaults.retry.map(retry_policy),
    }
}
