//! Actors and their definitions.

use std::collections::BTreeMap;

use crate::domain::actors::{ActorAnswer, CommandOutcome};
use crate::domain::model::actor::{
    ActorConfig, ActorStatus, LastExit, ManagedBy, Readiness, RestartMode, RestartPolicy,
};
use crate::domain::model::confinement::{ResourceLimits, RunAs};
use crate::domain::model::health::Health;
use crate::domain::model::usage::Usage;
use crate::grpc::render::actor_state::{desired, state};
use crate::grpc::render::health::{health, health_settings, ping};
use crate::grpc::render::{count, duration, script_type, timestamp, wait_outcome};
use crate::grpc::response_size::BatchBudget;
use crate::grpc::status::Failure;
use crate::proto as pb;

/// The parts of a definition that a response has. Values of environment variables may be secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ActorView {
    /// Names of environment variables without their values.
    #[default]
    Basic,
    /// All parts.
    Full,
}

/// Renders an actor with the basic view.
pub(crate) fn basic_actor(status: ActorStatus) -> pb::Actor {
    actor(status, ActorView::Basic)
}

/// Renders an actor.
pub(crate) fn actor(status: ActorStatus, view: ActorView) -> pb::Actor {
    let running_config = status.running_config().map(|running| config(running, view));
    let record = status.record;
    let etag = record.etag();
    let message = match status.health.health {
        Health::Degraded | Health::Unhealthy if status.message.is_empty() => status.health.reason,
        Health::Unknown | Health::Healthy | Health::Degraded | Health::Unhealthy => status.message,
    };
    pb::Actor {
        actor_id: record.id.to_string(),
        config: Some(config(record.config, view)),
        state: state(status.state).into(),
        desired_state: desired(record.desired).into(),
        status_message: message,
        pid: status.pid.0.map(count),
        node: record.node.to_string(),
        managed_by: managed_by(record.managed_by).into(),
        jobs_in_flight: count(status.in_flight),
        create_time: Some(timestamp(record.created_at)),
        start_time: status.started_at.map(timestamp),
        state_time: status.state_since.map(timestamp),
        last_job_time: status.last_job_at.map(timestamp),
        restart_count: count(record.restart_count),
        last_exit: record.last_exit.map(last_exit),
        etag,
        health: health(status.health.health).into(),
        last_ping: status.health.last_ping.map(ping),
        consecutive_ping_failures: count(status.health.consecutive_failures),
        usage: status.usage.as_ref().map(usage),
        usage_history: Vec::new(),
        running_config,
    }
}

/// Renders a sample of usage.
pub(crate) fn usage(usage: &Usage) -> pb::ActorUsage {
    pb::ActorUsage {
        time: Some(timestamp(usage.at)),
        cpu_millicores: usage.cpu_millicores.map(count),
        memory_bytes: i64::try_from(usage.memory_bytes).unwrap_or(i64::MAX),
        open_files: usage.open_files.map(count),
        threads: count(usage.threads),
        processes: count(usage.processes),
    }
}

/// Renders the outcome of a command: the actor, whether it has changed, and the end of the wait.
pub(crate) fn changed(changed: CommandOutcome) -> (Option<pb::Actor>, bool, i32) {
    (Some(basic_actor(changed.status)), changed.changed, wait_outcome(changed.done))
}

/// Renders the results of many actors, within the limits of [`BatchBudget`].
pub(crate) fn results(answers: Vec<ActorAnswer>) -> Vec<pb::ActorResult> {
    let result = |answer: ActorAnswer| {
        let actor_id = answer.id.to_string();
        match answer.result {
            Ok(done) => {
                let (actor, changed, wait_outcome) = changed(done);
                pb::ActorResult { actor_id, actor, changed, wait_outcome, error: None }
            }
            Err(error) => {
                let error = Some(Failure::from(error).into());
                pb::ActorResult { actor_id, error, ..Default::default() }
            }
        }
    };
    let mut batch = BatchBudget::default();
    answers.into_iter().map(result).map(|result| batch.actor(result)).collect()
}

/// Renders a definition.
pub(crate) fn config(config: ActorConfig, view: ActorView) -> pb::ActorConfig {
    let (env, env_names) = match view {
        ActorView::Basic => (BTreeMap::new(), config.env.into_keys().collect()),
        ActorView::Full => (config.env, Vec::new()),
    };
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    pb::ActorConfig {
        script_type: script_type(config.script_type).into(),
        queue: config.queue.map(|queue| queue.to_string()).unwrap_or_default(),
        binary_path: path(config.binary),
        args: config.args,
        env,
        env_from_file: config.env_from_file.into_iter().map(|(name, file)| (name, path(file))).collect(),
        secret_env: config.secret_env.into_iter().collect(),
        health_check: config.health_check.unwrap_or_default(),
        dependencies: config.dependencies,
        working_dir: config.working_dir.map(path).unwrap_or_default(),
        binary_sha256: config.sha256.unwrap_or_default(),
        drain_timeout: Some(duration(config.drain_timeout)),
        start_timeout: Some(duration(config.start_timeout)),
        readiness: readiness(config.readiness).into(),
        restart_policy: Some(restart_policy(&config.restart)),
        labels: config.labels,
        env_names,
        health_policy: (!config.health.is_empty()).then(|| health_settings(config.health)),
        run_as: config.confinement.run_as.map(run_as),
        limits: limits(config.confinement.limits),
        no_new_privileges: config.confinement.no_new_privileges,
        die_with_process_manager: config.confinement.die_with_manager,
    }
}

fn run_as(run_as: RunAs) -> pb::RunAs {
    let RunAs { user, group, supplementary_groups } = run_as;
    pb::RunAs { user, group: group.unwrap_or_default(), supplementary_groups }
}

fn limits(limits: ResourceLimits) -> Option<pb::ResourceLimits> {
    if limits == ResourceLimits::default() {
        return None;
    }
    let small = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
    let big = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Some(pb::ResourceLimits {
        memory_bytes: limits.memory_bytes.map(big),
        open_files: limits.open_files.map(small),
        cpu_time: limits.cpu_time.map(duration),
        processes: limits.processes.map(small),
        core_bytes: limits.core_bytes.map(big),
    })
}

fn restart_policy(policy: &RestartPolicy) -> pb::RestartPolicy {
    pb::RestartPolicy {
        mode: restart_mode(policy.mode).into(),
        initial_backoff: Some(duration(policy.backoff.initial())),
        max_backoff: Some(duration(policy.backoff.max())),
        reset_after: Some(duration(policy.reset_after)),
        max_restarts: Some(count(policy.max_restarts)),
        window: Some(duration(policy.window)),
    }
}

pub(super) fn last_exit(exit: LastExit) -> pb::ActorExit {
    pb::ActorExit {
        exit_code: exit.status.code(),
        signal: exit.status.signal(),
        time: Some(timestamp(exit.at)),
        pid: count(exit.pid),
        requested: exit.requested,
        reason: exit.reason,
        log_tail: exit.log_tail,
    }
}

fn managed_by(managed_by: ManagedBy) -> pb::actor::ManagedBy {
    match managed_by {
        ManagedBy::User => pb::actor::ManagedBy::User,
        ManagedBy::Scaler => pb::actor::ManagedBy::Scaler,
    }
}

fn readiness(readiness: Readiness) -> pb::actor_config::Readiness {
    match readiness {
        Readiness::Queue => pb::actor_config::Readiness::Queue,
        Readiness::Process => pb::actor_config::Readiness::Process,
    }
}

fn restart_mode(mode: RestartMode) -> pb::restart_policy::Mode {
    match mode {
        RestartMode::Always => pb::restart_policy::Mode::Always,
        RestartMode::OnFailure => pb::restart_policy::Mode::OnFailure,
        RestartMode::Never => pb::restart_policy::Mode::Never,
    }
}
