//! UpdateActor: the mask, and the definition after the change.

use std::time::Duration;

use crate::domain::actors::{Apply, StopOptions, Update};
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::id::ActorId;
use crate::domain::model::violation::Violations;
use crate::grpc::mask::Mask;
use crate::grpc::parse::actor::{actor_config, keep_env, short_duration};
use crate::grpc::parse::value::{duration, given, optional, unknown};
use crate::grpc::render::{self, ActorView};
use crate::proto as pb;

/// A parsed UpdateActor request.
#[derive(Debug)]
pub(crate) struct UpdateActor {
    /// The actor.
    pub(crate) id: ActorId,
    /// The condition, and the time at which the change takes effect.
    pub(crate) update: Update,
    /// Longest wait, if the caller gives one.
    pub(crate) max_wait: Option<Duration>,
    mask: Mask,
    config: pb::ActorConfig,
}

impl UpdateActor {
    /// Returns the definition after the change.
    ///
    /// # Errors
    /// Every violation of the changed definition.
    pub(crate) fn change(&self, old: &ActorConfig) -> Result<ActorConfig, Violations> {
        let current = render::actor_config(old.clone(), ActorView::Full);
        let mut merged = self.mask.apply(&current, &self.config)?;
        let mut part = Violations::new();
        part.keep("env_names", keep_env(&mut merged, Some(&old.env)));
        let changed = actor_config(&old.name, merged, &mut part);
        let mut violations = Violations::new();
        violations.nest("config", part);
        violations.into_result().map(|()| changed)
    }
}

/// Parses an UpdateActor request.
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
    let paths = request.update_mask.unwrap_or_default().paths;
    let mask = Mask::parse::<pb::ActorConfig>(&paths, "config").map_err(|found| v.append(found)).ok();
    match (id, apply, request.config, mask) {
        (Some(id), Some(apply), Some(config), Some(mask)) if violations.is_empty() => {
            let update = Update { etag: given(request.etag), apply };
            Ok(UpdateActor { id, update, max_wait, mask, config })
        }
        (_, _, _, _) => Err(violations),
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
    fn with_a_star_the_whole_definition_is_replaced() {
        let changed = update_actor(request(&["*"], whole())).unwrap().change(&old()).unwrap();
        assert_eq!(changed, ActorConfig::new("a".to_owned(), PathBuf::from("/bin/b"), ScriptType::SAL));
    }

    #[test]
    fn without_a_mask_the_populated_fields_are_taken_over_and_the_others_stay() {
        let changed = update_actor(request(&[], whole())).unwrap().change(&old()).unwrap();
        assert_eq!(changed, ActorConfig { binary: PathBuf::from("/bin/b"), ..old() });
        let policy = pb::RestartPolicy { max_restarts: Some(2), ..Default::default() };
        let new = pb::ActorConfig { restart_policy: Some(policy), ..Default::default() };
        let mut expected = old();
        expected.restart.max_restarts = 2;
        assert_eq!(update_actor(request(&[], new)).unwrap().change(&old()).unwrap(), expected);
    }

    #[test]
    fn parts_of_every_part_can_be_named() {
        let limits = pb::ResourceLimits { open_files: Some(64), ..Default::default() };
        let health = pb::HealthPolicy { failure_threshold: Some(5), ..Default::default() };
        let new = pb::ActorConfig { limits: Some(limits), health_policy: Some(health), ..Default::default() };
        let paths = ["limits.open_files", "health_policy.failure_threshold"];
        let after = update_actor(request(&paths, new)).unwrap().change(&old()).unwrap();
        assert_eq!(after.confinement.limits.open_files, Some(64));
        assert_eq!(after.health.failure_threshold, Some(5));
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
