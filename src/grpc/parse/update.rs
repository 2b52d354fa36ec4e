//! Changes of actors: which fields of the definition a mask names, and what comes out when they are taken over.

use std::time::Duration;

use crate::domain::actors::{Apply, StopOptions, Update};
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::id::ActorId;
use crate::domain::model::text::quoted;
use crate::domain::model::violation::Violations;
use crate::grpc::parse::actor::{actor_config, keep_env, short_duration};
use crate::grpc::parse::value::{duration, given, optional, unknown};
use crate::grpc::render::{self, ActorView};
use crate::proto as pb;

/// A change of an actor.
#[derive(Debug)]
pub(crate) struct UpdateActor {
    /// Which actor.
    pub(crate) id: ActorId,
    /// On what condition, and when it takes hold.
    pub(crate) update: Update,
    /// How long to wait, if the caller says.
    pub(crate) max_wait: Option<Duration>,
    fields: Vec<Field>,
    config: pb::ActorConfig,
}

/// Most paths of a mask; there are fewer fields.
const MAX_PATHS: usize = 100;

/// Takes one field over from the second definition to the first.
type Field = fn(&mut pb::ActorConfig, &pb::ActorConfig);

/// Every path that a mask may name.
const FIELDS: [(&str, Field); 25] = [
    ("script_type", |old, new| old.script_type = new.script_type),
    ("binary_path", |old, new| old.binary_path.clone_from(&new.binary_path)),
    ("args", |old, new| old.args.clone_from(&new.args)),
    // The environment is both: variables that are only named keep their values, see `keep_env`.
    ("env", environment),
    ("env_names", environment),
    ("health_check", |old, new| old.health_check.clone_from(&new.health_check)),
    ("dependencies", |old, new| old.dependencies.clone_from(&new.dependencies)),
    ("working_dir", |old, new| old.working_dir.clone_from(&new.working_dir)),
    ("binary_sha256", |old, new| old.binary_sha256.clone_from(&new.binary_sha256)),
    ("drain_timeout", |old, new| old.drain_timeout = new.drain_timeout),
    ("start_timeout", |old, new| old.start_timeout = new.start_timeout),
    ("readiness", |old, new| old.readiness = new.readiness),
    ("restart_policy", |old, new| old.restart_policy = new.restart_policy),
    ("restart_policy.mode", |old, new| policy(old).mode = policy_of(new).mode),
    ("restart_policy.initial_backoff", |old, new| {
        policy(old).initial_backoff = policy_of(new).initial_backoff;
    }),
    ("restart_policy.max_backoff", |old, new| policy(old).max_backoff = policy_of(new).max_backoff),
    ("restart_policy.reset_after", |old, new| policy(old).reset_after = policy_of(new).reset_after),
    ("restart_policy.max_restarts", |old, new| policy(old).max_restarts = policy_of(new).max_restarts),
    ("restart_policy.window", |old, new| policy(old).window = policy_of(new).window),
    ("labels", |old, new| old.labels.clone_from(&new.labels)),
    ("health_policy", |old, new| old.health_policy.clone_from(&new.health_policy)),
    ("run_as", |old, new| old.run_as.clone_from(&new.run_as)),
    ("limits", |old, new| old.limits.clone_from(&new.limits)),
    ("no_new_privileges", |old, new| old.no_new_privileges = new.no_new_privileges),
    ("die_with_process_manager", |old, new| {
        old.die_with_process_manager = new.die_with_process_manager;
    }),
];

fn environment(old: &mut pb::ActorConfig, new: &pb::ActorConfig) {
    old.env.clone_from(&new.env);
    old.env_names.clone_from(&new.env_names);
}

fn policy(config: &mut pb::ActorConfig) -> &mut pb::RestartPolicy {
    config.restart_policy.get_or_insert_default()
}

fn policy_of(config: &pb::ActorConfig) -> pb::RestartPolicy {
    config.restart_policy.unwrap_or_default()
}

impl UpdateActor {
    /// The definition after the change.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn change(&self, old: &ActorConfig) -> Result<ActorConfig, Violations> {
        let mut merged = render::actor_config(old.clone(), ActorView::Full);
        for take_over in &self.fields {
            take_over(&mut merged, &self.config);
        }
        let mut part = Violations::new();
        part.keep("env_names", keep_env(&mut merged, Some(&old.env)));
        let changed = actor_config(&old.name, merged, &mut part);
        let mut violations = Violations::new();
        violations.nest("config", part);
        violations.into_result().map(|()| changed)
    }
}

/// A change of an actor.
pub(crate) fn update_actor(request: pb::UpdateActorRequest) -> Result<UpdateActor, Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let id = v.keep("actor_id", ActorId::parse(&request.actor_id));
    let drain_timeout = optional(v, "drain_timeout", request.drain_timeout, short_duration);
    let max_wait = optional(v, "max_wait", request.max_wait, duration);
    let apply = v.keep("apply", apply(request.apply, drain_timeout));
    if request.config.is_none() {
        v.add("config", "is missing: say what to change");
    }
    let fields = fields(request.update_mask.unwrap_or_default().paths, v);
    match (id, apply, request.config) {
        (Some(id), Some(apply), Some(config)) if violations.is_empty() => {
            let update = Update { etag: given(request.etag), apply };
            Ok(UpdateActor { id, update, max_wait, fields, config })
        }
        (_, _, _) => Err(violations),
    }
}

fn apply(raw: i32, drain_timeout: Option<Duration>) -> Result<Apply, String> {
    use pb::update_actor_request::Apply as Raw;
    match Raw::try_from(raw) {
        Ok(Raw::Unspecified | Raw::NextStart) => Ok(Apply::NextStart),
        Ok(Raw::Restart) => Ok(Apply::Restart(StopOptions { drain_timeout, force: false })),
        Err(_) => Err(unknown(raw, "APPLY_NEXT_START or APPLY_RESTART")),
    }
}

/// What a mask names; everything, if it names nothing.
fn fields(paths: Vec<String>, violations: &mut Violations) -> Vec<Field> {
    if paths.is_empty() || paths == ["*"] {
        return FIELDS.iter().map(|(_, field)| *field).collect();
    }
    if paths.len() > MAX_PATHS {
        violations.add("update_mask.paths", format!("has {} items, more than {MAX_PATHS}", paths.len()));
        return Vec::new();
    }
    let known = |path: &str| FIELDS.iter().find(|(name, _)| *name == path).map(|(_, field)| *field);
    let mut fields = Vec::with_capacity(paths.len());
    for (index, path) in paths.iter().enumerate() {
        match known(path) {
            Some(field) => fields.push(field),
            None => violations.add(format!("update_mask.paths[{index}]"), no_field(path)),
        }
    }
    fields
}

fn no_field(path: &str) -> String {
    let short = path.strip_prefix("config.").unwrap_or(path);
    if path != short && FIELDS.iter().any(|(name, _)| *name == short) {
        return format!("is {}: paths begin inside of config, use {short:?}", quoted(path));
    }
    let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    format!(
        "is {}, which is no field of ActorConfig that can be changed by itself: use {}",
        quoted(path),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use prost_types::FieldMask;

    use super::*;
    use crate::domain::model::script_type::ScriptType;

    fn old() -> ActorConfig {
        let config = ActorConfig::new("a".to_owned(), PathBuf::from("/bin/a"), ScriptType::SAL);
        config.with_args(vec!["--old".to_owned()]).with_drain_timeout(Duration::from_secs(7))
    }

    fn request(paths: &[&str], config: pb::ActorConfig) -> pb::UpdateActorRequest {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        pb::UpdateActorRequest {
            actor_id: "a".to_owned(),
            config: Some(config),
            update_mask: Some(FieldMask { paths }),
            ..Default::default()
        }
    }

    fn whole() -> pb::ActorConfig {
        pb::ActorConfig {
            script_type: pb::ScriptType::Sal.into(),
            binary_path: "/bin/b".to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn only_the_fields_of_the_mask_are_taken_over() {
        let new = pb::ActorConfig { args: vec!["--new".to_owned()], ..whole() };
        let changed = update_actor(request(&["args"], new)).unwrap().change(&old()).unwrap();
        assert_eq!(changed, old().with_args(vec!["--new".to_owned()]));
    }

    #[test]
    fn a_field_of_the_mask_that_is_not_set_gets_its_default() {
        let changed = update_actor(request(&["drain_timeout"], pb::ActorConfig::default()))
            .unwrap()
            .change(&old())
            .unwrap();
        assert_eq!(changed, old().with_drain_timeout(Duration::from_secs(30)));
    }

    #[test]
    fn parts_of_the_restart_policy_can_be_named() {
        let policy = pb::RestartPolicy { max_restarts: Some(0), ..Default::default() };
        let new = pb::ActorConfig { restart_policy: Some(policy), ..Default::default() };
        let mut before = old();
        before.restart.window = Duration::from_secs(1);
        let update = update_actor(request(&["restart_policy.max_restarts"], new)).unwrap();
        let after = update.change(&before).unwrap();
        assert_eq!((after.restart.max_restarts, after.restart.window), (0, Duration::from_secs(1)));
    }

    #[test]
    fn without_a_mask_the_whole_definition_is_replaced() {
        for paths in [&[][..], &["*"]] {
            let changed = update_actor(request(paths, whole())).unwrap().change(&old()).unwrap();
            assert_eq!(changed, ActorConfig::new("a".to_owned(), PathBuf::from("/bin/b"), ScriptType::SAL));
        }
    }

    #[test]
    fn variables_that_are_only_named_keep_their_values() {
        let env = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let mut before = old();
        before.env = env(&[("KEPT", "secret"), ("GONE", "1"), ("NEW", "old")]);
        for paths in [&[][..], &["env"], &["*"]] {
            let names = ["KEPT", "NEW"].map(str::to_owned).to_vec();
            let new = pb::ActorConfig { env: env(&[("NEW", "2")]), env_names: names, ..whole() };
            let changed = update_actor(request(paths, new)).unwrap().change(&before).unwrap();
            assert_eq!(changed.env, env(&[("KEPT", "secret"), ("NEW", "2")]), "{paths:?}");
        }
        let read = render::actor_config(before.clone(), ActorView::Basic);
        assert!(read.env.is_empty());
        let back = update_actor(request(&[], read)).unwrap().change(&before).unwrap();
        assert_eq!(back, before, "what was read can be sent back as it is");
        let ghost = pb::ActorConfig { env_names: vec!["GHOST".to_owned()], ..whole() };
        let refused = update_actor(request(&[], ghost)).unwrap().change(&before).unwrap_err();
        assert!(refused.to_string().starts_with("config.env_names: names \"GHOST\""), "{refused}");
    }

    #[test]
    fn what_is_wrong_is_told_all_at_once() {
        let bad = pb::UpdateActorRequest {
            actor_id: "A".to_owned(),
            config: None,
            update_mask: Some(FieldMask {
                paths: ["config.args", "ghost", "env"].map(str::to_owned).to_vec(),
            }),
            apply: 9,
            ..Default::default()
        };
        let violations = update_actor(bad).unwrap_err();
        let told: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(told, ["actor_id", "apply", "config", "update_mask.paths[0]", "update_mask.paths[1]"]);
        let text = violations.to_string();
        assert!(text.contains("use \"args\"") && text.contains("binary_path, args, env"), "{text}");
        let relative = pb::ActorConfig { binary_path: "b".to_owned(), ..Default::default() };
        let refused = update_actor(request(&["binary_path"], relative)).unwrap().change(&old()).unwrap_err();
        assert!(refused.to_string().starts_with("config.binary_path: "), "{refused}");
    }
}
