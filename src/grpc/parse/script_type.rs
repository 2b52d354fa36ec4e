//! Requests about script types: settings and queues.

use crate::domain::actors::PurgeRequest;
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::health::HealthPolicy;
use crate::domain::model::job::{JobSpec, JobState, check_ageing};
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::scaling::{ScalingMode, ScalingPolicy};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::{JobSettings, ScriptTypeSettings, UnsetFields};
use crate::domain::model::violation::Violations;
use crate::domain::script_types::update::usual_name;
use crate::grpc::parse::actor::actor_config;
use crate::grpc::parse::flow::flow_rules;
use crate::grpc::parse::health::health_settings;
use crate::grpc::parse::job::{retry_policy, state};
use crate::grpc::parse::queue::QueueChoice;
use crate::grpc::parse::value::{check_reason, count, duration, each, optional, scale_scope, unknown};
use crate::proto as pb;

/// Parses a PauseQueue or ResumeQueue request: queue and reason.
pub(crate) fn pause(raw: i32, queue: String, reason: String) -> Result<(QueueChoice, String), Violations> {
    let mut violations = Violations::new();
    let choice = QueueChoice::parse(raw, queue, &mut violations);
    check_reason(&reason, &mut violations);
    violations.into_result().map(|()| (choice, reason))
}

/// A parsed PurgeQueue request without its queue.
#[derive(Debug)]
pub(crate) struct Purge {
    states: Vec<JobState>,
    expected: Option<u64>,
    trial: bool,
    reason: String,
}

impl Purge {
    /// Returns the request for a queue.
    pub(crate) fn of(self, queue: QueueName) -> PurgeRequest {
        let Self { states, expected, trial, reason } = self;
        PurgeRequest { queue, states, expected, trial, reason }
    }
}

/// Parses a PurgeQueue request.
pub(crate) fn purge(request: pb::PurgeQueueRequest) -> Result<(QueueChoice, Purge), Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let choice = QueueChoice::parse(request.script_type, request.queue, v);
    let mut states = each(v, "states", request.states, waiting_state);
    if states.is_empty() {
        states.push(JobState::Queued);
    }
    let expected = optional(v, "expected_count", request.expected_count, count).map(u64::from);
    check_reason(&request.reason, v);
    violations.into_result()?;
    Ok((choice, Purge { states, expected, trial: request.validate_only, reason: request.reason }))
}

fn waiting_state(raw: i32) -> Result<JobState, String> {
    match state(raw)? {
        waiting @ (JobState::Blocked | JobState::Scheduled | JobState::Queued | JobState::RetryWait) => {
            Ok(waiting)
        }
        other @ (JobState::Running | JobState::Succeeded | JobState::Failed | JobState::Cancelled) => {
            Err(format!("is {other}: use STATE_QUEUED, STATE_SCHEDULED or STATE_RETRY_WAIT"))
        }
    }
}

/// Parses complete settings and their template, which gets its usual name.
pub(crate) fn settings(
    queue: TypedQueue,
    generation: u64,
    settings: pb::ScriptTypeSettings,
) -> Result<(ScriptTypeSettings, Option<ActorConfig>), Violations> {
    let script_type = queue.script_type;
    let mut violations = Violations::new();
    let mut part = Violations::new();
    let scaling = scaling_policy(&settings.scaling_policy.unwrap_or_default(), &mut part);
    part.append(scaling.validate().err().unwrap_or_default());
    violations.nest("scaling_policy", part);

    let mut part = Violations::new();
    let health = health_settings(&settings.health_policy.unwrap_or_default(), &mut part);
    part.append(health.validate().err().unwrap_or_default());
    violations.nest("health_policy", part);

    let mut part = Violations::new();
    let job_defaults = job_settings(script_type, settings.job_defaults.unwrap_or_default(), &mut part);
    violations.nest("job_defaults", part);

    let template = settings.actor_template.map(|given| template(queue, given, &mut violations));
    let max_queue_depth = optional(&mut violations, "max_queue_depth", settings.max_queue_depth, count);
    let ageing = |span| duration(span).and_then(check_ageing);
    let priority_ageing = optional(&mut violations, "priority_ageing", settings.priority_ageing, ageing);
    let flow = flow_rules(settings.flow_rules, &mut violations);
    violations.into_result().map_err(|part| {
        let mut nested = Violations::new();
        nested.nest("settings", part);
        nested
    })?;
    let health = health.over(HealthPolicy::default());
    Ok((
        ScriptTypeSettings {
            queue: queue.name,
            script_type,
            scaling,
            health,
            job_defaults,
            max_queue_depth,
            priority_ageing,
            flow,
            generation,
        },
        template,
    ))
}

/// Parses the template of a queue, which gets its usual name.
fn template(queue: TypedQueue, template: pb::ActorConfig, violations: &mut Violations) -> ActorConfig {
    let script_type = queue.script_type;
    let mut part = Violations::new();
    if template.script_type != i32::from(crate::grpc::render::script_type(script_type)) {
        part.add("script_type", format!("is not {script_type}, of which this is to be the template"));
    }
    let template = actor_config(&usual_name(queue.name), template, &mut part);
    if let Some(other) = template.queue.filter(|other| *other != queue.name) {
        part.add("queue", format!("is {other}, and this is the template for queue {queue}: leave it out"));
    }
    let template = template.with_queue(queue.name);
    violations.nest("actor_template", part);
    template
}

fn scaling_policy(policy: &pb::ScalingPolicy, violations: &mut Violations) -> ScalingPolicy {
    let v = violations;
    let usual = ScalingPolicy::default();
    let mode = v.keep("mode", mode(policy.mode)).unwrap_or_default();
    let max_replicas = optional(v, "max_replicas", policy.max_replicas, count);
    if mode == ScalingMode::Auto && policy.max_replicas.is_none() {
        v.add("max_replicas", "is not set: say how many actors there may be");
    }
    let min_replicas = optional(v, "min_replicas", policy.min_replicas, count).unwrap_or(0);
    ScalingPolicy {
        mode,
        scope: v.keep("scope", scale_scope(policy.scope)).flatten().unwrap_or_default(),
        replicas: optional(v, "replicas", policy.replicas, count),
        min_replicas,
        max_replicas: max_replicas.unwrap_or_else(|| usual.max_replicas.max(min_replicas)),
        target_jobs_per_actor: optional(v, "target_jobs_per_actor", policy.target_jobs_per_actor, count)
            .unwrap_or(usual.target_jobs_per_actor),
        max_queue_age: optional(v, "max_queue_age", policy.max_queue_age, duration),
        scale_out_delay: optional(v, "scale_out_delay", policy.scale_out_delay, duration)
            .unwrap_or(usual.scale_out_delay),
        scale_in_delay: optional(v, "scale_in_delay", policy.scale_in_delay, duration)
            .unwrap_or(usual.scale_in_delay),
        scale_to_zero_delay: optional(v, "scale_to_zero_delay", policy.scale_to_zero_delay, duration)
            .unwrap_or(usual.scale_to_zero_delay),
        max_step_out: optional(v, "max_step_out", policy.max_step_out, count).unwrap_or(0),
        max_step_in: optional(v, "max_step_in", policy.max_step_in, count).unwrap_or(0),
        drain_timeout: optional(v, "drain_timeout", policy.drain_timeout, duration),
    }
}

fn mode(raw: i32) -> Result<ScalingMode, String> {
    use pb::scaling_policy::Mode;
    match Mode::try_from(raw) {
        Ok(Mode::Unspecified | Mode::Fixed) => Ok(ScalingMode::Fixed),
        Ok(Mode::Auto) => Ok(ScalingMode::Auto),
        Err(_) => Err(unknown(raw, "MODE_FIXED or MODE_AUTO")),
    }
}

/// Parses job defaults, and checks them as those of a job.
fn job_settings(
    script_type: ScriptType,
    defaults: pb::JobDefaults,
    violations: &mut Violations,
) -> JobSettings {
    let v = violations;
    let parsed = JobSettings {
        run_timeout: optional(v, "run_timeout", defaults.run_timeout, duration),
        queue_timeout: optional(v, "queue_timeout", defaults.queue_timeout, duration),
        result_ttl: optional(v, "result_ttl", defaults.result_ttl, duration),
        retry: defaults.retry_policy.map(|policy| {
            let mut part = Violations::new();
            let retry = retry_policy(policy, &mut part);
            v.nest("retry_policy", part);
            retry
        }),
    };
    let open = UnsetFields { run_timeout: true, queue_timeout: true, result_ttl: true, retry: true };
    let mut job = JobSpec::new(script_type, "checked");
    parsed.fill(&mut job, open);
    v.append(job.validate().err().unwrap_or_default());
    parsed
}
