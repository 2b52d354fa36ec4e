//! Requests about actors.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::actors::StopOptions;
use crate::domain::model::actor::{
    ActorConfig, ActorState, ActorStatus, MAX_ITEMS, Readiness, RestartMode, RestartPolicy,
};
use crate::domain::model::id::ActorId;
use crate::domain::model::limits::MAX_TIMEOUT;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::scaling::{MAX_REPLICAS, ScaleScope};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::text::quoted;
use crate::domain::model::violation::Violations;
use crate::grpc::parse::confinement;
use crate::grpc::parse::health::health_settings;
use crate::grpc::parse::queue::QueueChoice;
use crate::grpc::parse::selector;
use crate::grpc::parse::value::{
    ListRequest, backoff, count, duration, each, given, optional, page_size, scale_scope, script_type,
    unknown,
};
use crate::grpc::render::ActorView;
use crate::proto as pb;

/// A parsed CreateActor request.
#[derive(Debug)]
pub(crate) struct Create {
    /// The definition with its name.
    pub(crate) config: ActorConfig,
    /// Starts the actor.
    pub(crate) start: bool,
    /// Only checks the request.
    pub(crate) validate_only: bool,
    /// Longest wait, if the caller gives one.
    pub(crate) max_wait: Option<Duration>,
}

/// A parsed ScaleActors request.
#[derive(Debug)]
pub(crate) struct Scale {
    /// The queue.
    pub(crate) queue: QueueChoice,
    /// The number of actors.
    pub(crate) replicas: u32,
    /// Time for the jobs of removed actors, if the caller gives one.
    pub(crate) drain_timeout: Option<Duration>,
    /// Only returns what would happen.
    pub(crate) validate_only: bool,
    /// Switches automatic scaling off.
    pub(crate) take_over: bool,
    /// Longest wait, if the caller gives one.
    pub(crate) max_wait: Option<Duration>,
    /// The machines over which the number counts; None for those of the settings.
    pub(crate) scope: Option<ScaleScope>,
}

/// The filter of ListActors.
#[derive(Debug)]
pub(crate) struct ActorFilter {
    script_types: Vec<ScriptType>,
    queues: Vec<QueueName>,
    states: Vec<ActorState>,
    labels: Vec<(String, String)>,
    node: Option<String>,
    /// The parts of each definition to return.
    pub(crate) view: ActorView,
}

impl ActorFilter {
    /// Returns true if an actor matches.
    pub(crate) fn lets_through(&self, actor: &ActorStatus) -> bool {
        let config = &actor.record.config;
        (self.script_types.is_empty() || self.script_types.contains(&config.script_type))
            && (self.queues.is_empty() || self.queues.contains(&config.queue()))
            && (self.states.is_empty() || self.states.contains(&actor.state))
            && self.node.as_deref().is_none_or(|node| node == actor.record.node.as_str())
            && self.labels.iter().all(|(name, value)| config.labels.get(name) == Some(value))
    }
}

/// Parses a CreateActor request.
pub(crate) fn create_actor(request: pb::CreateActorRequest) -> Result<Create, Violations> {
    let mut violations = Violations::new();
    let id = violations.keep("actor_id", ActorId::parse(&request.actor_id));
    let max_wait = optional(&mut violations, "max_wait", request.max_wait, duration);
    let config = match request.config {
        Some(mut config) => {
            let mut part = Violations::new();
            part.keep("env_names", keep_env(&mut config, None));
            let config = actor_config(&request.actor_id, config, &mut part);
            violations.nest("config", part);
            Some(config)
        }
        None => {
            violations.add("config", "is missing: say what to run");
            None
        }
    };
    match (id, config) {
        (Some(_), Some(config)) if violations.is_empty() => Ok(Create {
            config,
            start: request.start.unwrap_or(true),
            validate_only: request.validate_only,
            max_wait,
        }),
        (_, _) => Err(violations),
    }
}

/// A parsed GetActor request.
#[derive(Debug)]
pub(crate) struct GetActor {
    /// The name.
    pub(crate) id: ActorId,
    /// The parts of the definition to return.
    pub(crate) view: ActorView,
    /// Time before now whose usage is returned; zero for none.
    pub(crate) usage_history: Duration,
}

/// Parses a GetActor request.
pub(crate) fn get_actor(request: &pb::GetActorRequest) -> Result<GetActor, Violations> {
    let mut violations = Violations::new();
    let id = violations.keep("actor_id", ActorId::parse(&request.actor_id));
    let view = violations.keep("view", actor_view(request.view));
    let history = optional(&mut violations, "usage_history", request.usage_history, |raw| {
        let span = duration(raw)?;
        if span <= MAX_TIMEOUT { Ok(span) } else { Err(format!("is {span:?}: use at most 24 hours")) }
    });
    match (id, view) {
        (Some(id), Some(view)) if violations.is_empty() => {
            Ok(GetActor { id, view, usage_history: history.unwrap_or_default() })
        }
        (_, _) => Err(violations),
    }
}

/// Parses a view.
pub(crate) fn actor_view(raw: i32) -> Result<ActorView, String> {
    match pb::ActorView::try_from(raw) {
        Ok(pb::ActorView::Unspecified | pb::ActorView::Basic) => Ok(ActorView::Basic),
        Ok(pb::ActorView::Full) => Ok(ActorView::Full),
        Err(_) => Err(unknown(raw, "ACTOR_VIEW_BASIC or ACTOR_VIEW_FULL")),
    }
}

/// Sets the variables that are only named to their stored values.
pub(crate) fn keep_env(
    config: &mut pb::ActorConfig,
    kept: Option<&BTreeMap<String, String>>,
) -> Result<(), String> {
    let names = std::mem::take(&mut config.env_names);
    if names.len() > MAX_ITEMS {
        return Err(format!("has {} items, more than {MAX_ITEMS}", names.len()));
    }
    for name in names {
        if config.env.contains_key(&name) {
            continue;
        }
        let Some(value) = kept.and_then(|kept| kept.get(&name)) else {
            return Err(format!(
                "names {}, which has no value here: give it one in env, or read the definition with ACTOR_VIEW_FULL",
                quoted(&name)
            ));
        };
        config.env.insert(name, value.clone());
    }
    Ok(())
}

/// Parses the name of an actor and the longest wait.
pub(crate) fn wait_for_actor(
    actor_id: &str,
    max_wait: Option<prost_types::Duration>,
) -> Result<(ActorId, Option<Duration>), Violations> {
    let mut violations = Violations::new();
    let id = violations.keep("actor_id", ActorId::parse(actor_id));
    let max_wait = optional(&mut violations, "max_wait", max_wait, duration);
    match id {
        Some(id) if violations.is_empty() => Ok((id, max_wait)),
        Some(_) | None => Err(violations),
    }
}

/// Parses the options of a stop.
pub(crate) fn stop_options(
    drain_timeout: Option<prost_types::Duration>,
    force: bool,
) -> Result<StopOptions, Violations> {
    let mut violations = Violations::new();
    let drain_timeout = optional(&mut violations, "drain_timeout", drain_timeout, short_duration);
    violations.into_result()?;
    Ok(StopOptions { drain_timeout, force })
}

/// Parses the largest number of actors that are down at the same time; 0 means all.
pub(crate) fn restart_actors(max_unavailable: i32) -> Result<usize, Violations> {
    let parsed = usize::try_from(max_unavailable);
    parsed.map_err(|_| Violations::one("max_unavailable", format!("is {max_unavailable}: use 0 or more")))
}

/// Parses a ListActors request.
pub(crate) fn list_actors(request: pb::ListActorsRequest) -> Result<ListRequest<ActorFilter>, Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let filter = ActorFilter {
        script_types: each(v, "script_types", request.script_types, script_type),
        queues: selector::queues(v, "queues", request.queues),
        states: each(v, "states", request.states, state),
        labels: selector::labels(v, "labels", request.labels),
        node: given(request.node),
        view: v.keep("view", actor_view(request.view)).unwrap_or_default(),
    };
    let limit = v.keep("page_size", page_size(request.page_size));
    match limit {
        Some(limit) if violations.is_empty() => Ok(ListRequest { filter, limit }),
        Some(_) | None => Err(violations),
    }
}

/// Parses a ScaleActors request.
pub(crate) fn scale_actors(request: pb::ScaleActorsRequest) -> Result<Scale, Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let queue = QueueChoice::parse(request.script_type, request.queue, v);
    let replicas = v.keep("replicas", replicas(request.replicas));
    let drain_timeout = optional(v, "drain_timeout", request.drain_timeout, short_duration);
    let max_wait = optional(v, "max_wait", request.max_wait, duration);
    let scope = v.keep("scope", scale_scope(request.scope)).flatten();
    if scope == Some(ScaleScope::Fleet) && !request.node.is_empty() {
        v.add(
            "scope",
            "is SCALE_SCOPE_FLEET, which means all machines: leave node out, or use SCALE_SCOPE_NODE",
        );
        v.add("node", "names one machine, and scope means all of them: set one of the two");
    }
    // Whoever names a machine means that one, whatever the settings say.
    let scope = scope.or_else(|| (!request.node.is_empty()).then_some(ScaleScope::Node));
    match replicas {
        Some(replicas) if violations.is_empty() => Ok(Scale {
            queue,
            replicas,
            drain_timeout,
            validate_only: request.validate_only,
            take_over: request.take_over,
            max_wait,
            scope,
        }),
        Some(_) | None => Err(violations),
    }
}

fn replicas(raw: Option<i32>) -> Result<u32, String> {
    let raw = raw.ok_or_else(|| format!("is not set: use 0 to {MAX_REPLICAS}"))?;
    match u32::try_from(raw) {
        Ok(replicas) if replicas <= MAX_REPLICAS => Ok(replicas),
        Ok(_) | Err(_) => Err(format!("is {raw}: use 0 to {MAX_REPLICAS}")),
    }
}

/// Parses a definition, checks its limits and records violations.
pub(super) fn actor_config(
    actor_id: &str,
    config: pb::ActorConfig,
    violations: &mut Violations,
) -> ActorConfig {
    let v = violations;
    let kind = v.keep("script_type", script_type(config.script_type)).unwrap_or(ScriptType::OSIS);
    let mut parsed = ActorConfig::new(actor_id.to_owned(), PathBuf::from(config.binary_path), kind);
    if let Some(queue) = optional(v, "queue", given(config.queue), |raw| QueueName::parse(&raw)) {
        parsed = parsed.with_queue(queue);
    }
    parsed.args = config.args;
    parsed.env = config.env;
    parsed.env_from_file =
        config.env_from_file.into_iter().map(|(name, path)| (name, PathBuf::from(path))).collect();
    parsed.secret_env = config.secret_env.into_iter().collect();
    parsed.health_check = given(config.health_check);
    parsed.dependencies = config.dependencies;
    parsed.working_dir = given(config.working_dir).map(PathBuf::from);
    parsed.sha256 = given(config.binary_sha256);
    if let Some(timeout) = optional(v, "drain_timeout", config.drain_timeout, duration) {
        parsed.drain_timeout = timeout;
    }
    if let Some(timeout) = optional(v, "start_timeout", config.start_timeout, duration) {
        parsed.start_timeout = timeout;
    }
    if let Some(readiness) = v.keep("readiness", readiness(config.readiness)) {
        parsed.readiness = readiness;
    }
    if let Some(policy) = config.restart_policy {
        let mut part = Violations::new();
        parsed.restart = restart_policy(&policy, &mut part);
        v.nest("restart_policy", part);
    }
    parsed.labels = config.labels;
    if let Some(policy) = config.health_policy {
        let mut part = Violations::new();
        parsed.health = health_settings(&policy, &mut part);
        v.nest("health_policy", part);
    }
    parsed.confinement = confinement::of(
        config.run_as,
        config.limits,
        config.no_new_privileges,
        config.die_with_process_manager,
        v,
    );
    if let Err(limits) = parsed.validate() {
        v.append(limits);
    }
    parsed
}

fn restart_policy(policy: &pb::RestartPolicy, violations: &mut Violations) -> RestartPolicy {
    let v = violations;
    let mut parsed = RestartPolicy::default();
    if let Some(mode) = v.keep("mode", restart_mode(policy.mode)) {
        parsed.mode = mode;
    }
    parsed.backoff = backoff(v, parsed.backoff, policy.initial_backoff, policy.max_backoff);
    if let Some(reset_after) = optional(v, "reset_after", policy.reset_after, duration) {
        parsed.reset_after = reset_after;
    }
    if let Some(max_restarts) = optional(v, "max_restarts", policy.max_restarts, count) {
        parsed.max_restarts = max_restarts;
    }
    if let Some(window) = optional(v, "window", policy.window, duration) {
        parsed.window = window;
    }
    parsed
}

/// Parses a duration of at most a day.
pub(super) fn short_duration(raw: prost_types::Duration) -> Result<Duration, String> {
    let span = duration(raw)?;
    if span > MAX_TIMEOUT { Err(format!("is {span:?}: use at most 24 hours")) } else { Ok(span) }
}

fn readiness(raw: i32) -> Result<Readiness, String> {
    use pb::actor_config::Readiness as Raw;
    match Raw::try_from(raw) {
        Ok(Raw::Unspecified | Raw::Queue) => Ok(Readiness::Queue),
        Ok(Raw::Process) => Ok(Readiness::Process),
        Err(_) => Err(unknown(raw, "READINESS_QUEUE or READINESS_PROCESS")),
    }
}

fn restart_mode(raw: i32) -> Result<RestartMode, String> {
    use pb::restart_policy::Mode;
    match Mode::try_from(raw) {
        Ok(Mode::Unspecified | Mode::Always) => Ok(RestartMode::Always),
        Ok(Mode::OnFailure) => Ok(RestartMode::OnFailure),
        Ok(Mode::Never) => Ok(RestartMode::Never),
        Err(_) => Err(unknown(raw, "MODE_ALWAYS, MODE_ON_FAILURE or MODE_NEVER")),
    }
}

/// Parses a state of a filter.
fn state(raw: i32) -> Result<ActorState, String> {
    use pb::actor::State;
    match State::try_from(raw) {
        Ok(State::Stopped) => Ok(ActorState::Stopped),
        Ok(State::Blocked) => Ok(ActorState::Blocked),
        Ok(State::Starting) => Ok(ActorState::Starting),
        Ok(State::Running) => Ok(ActorState::Running),
        Ok(State::Draining) => Ok(ActorState::Draining),
        Ok(State::Stopping) => Ok(ActorState::Stopping),
        Ok(State::Backoff) => Ok(ActorState::Backoff),
        Ok(State::CrashLoop) => Ok(ActorState::CrashLoop),
        Ok(State::Failed) => Ok(ActorState::Failed),
        Ok(State::Unknown) => Ok(ActorState::Unknown),
        Ok(State::Unspecified) => Err("is not set: use one of the states of Actor.State".to_owned()),
        Err(_) => Err(unknown(raw, "one of the states of Actor.State")),
    }
}
