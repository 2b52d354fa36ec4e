//! Script types: reading them, changing their rules, pausing and emptying their queues.

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::Violations;
use crate::domain::scaling::has_word;
use crate::error::SupervisorError;
use crate::grpc::mask::Mask;
use crate::grpc::parse;
use crate::grpc::render::{self, ActorView};
use crate::grpc::service::SupervisorService;
use crate::grpc::status::Failure;
use crate::proto as pb;

/// Times that a change is made again after somebody else was faster.
const MOST_TRIES: u32 = 5;

impl SupervisorService {
    /// One script type.
    pub(super) async fn script_type_status(
        &self,
        script_type: ScriptType,
    ) -> Result<pb::ScriptTypeStatus, SupervisorError> {
        let status = self.lifecycle.script_type(script_type).await?;
        Ok(render::script_type_status(status, ActorView::Basic))
    }

    /// Changes rules: those that are kept, with the changed parts, are checked as a whole and written if nobody else has
    /// changed them meanwhile.
    pub(super) async fn update_rules(
        &self,
        lifecycle: &ActorLifecycleManager,
        request: pb::UpdateScriptTypeRequest,
    ) -> Result<pb::ScriptTypeStatus, Failure> {
        let script_type = known_type(request.script_type)?;
        let changes = request.settings.unwrap_or_default();
        let paths = request.update_mask.unwrap_or_default().paths;
        let mask = Mask::parse::<pb::ScriptTypeSettings>(&paths, "settings")?;
        for _try in 0..MOST_TRIES {
            let (kept, template) = lifecycle.script_type_settings(script_type).await?;
            let current = render::settings(&kept, template.clone(), ActorView::Full);
            let mut changed = mask.apply(&current, &changes)?;
            if let Some(new) = &mut changed.actor_template {
                let old = current.actor_template.as_ref().map(|old| &old.env);
                parse::keep_env(new, old)
                    .map_err(|what| Violations::one("settings.actor_template.env_names", what))?;
            }
            let kept_name = template.as_ref().map(|kept| kept.name.as_str());
            // One that stays as it is keeps its name, whatever it mentions.
            let new =
                changed.actor_template.as_ref().filter(|new| current.actor_template.as_ref() != Some(*new));
            let name = template_name(script_type, kept_name, new);
            if template.is_some() && changed.actor_template.is_none() {
                let description = "cannot be taken away, only replaced: running actors were made from it";
                return Err(Violations::one("settings.actor_template", description).into());
            }
            let (rules, new_template) = parse::settings(script_type, kept.generation, &name, changed)?;
            let new_template = new_template.filter(|new| template.as_ref() != Some(new));
            if let Some(template) = &new_template {
                // A program that is not there is refused now, and not when the next actor is wanted.
                lifecycle.validate(template).await?;
            }
            if lifecycle.set_script_type_settings(rules, new_template).await? {
                return Ok(self.script_type_status(script_type).await?);
            }
        }
        Err(SupervisorError::SettingsConflict(script_type).into())
    }

    pub(super) async fn pause(
        &self,
        lifecycle: &ActorLifecycleManager,
        request: pb::PauseQueueRequest,
    ) -> Result<pb::PauseQueueResponse, Failure> {
        let (script_type, reason) = parse::pause(request.script_type, request.reason)?;
        let changed = lifecycle.pause_queue(script_type, &reason).await?;
        let status = Some(self.script_type_status(script_type).await?);
        Ok(pb::PauseQueueResponse { status, changed })
    }

    pub(super) async fn resume(
        &self,
        lifecycle: &ActorLifecycleManager,
        request: pb::ResumeQueueRequest,
    ) -> Result<pb::ResumeQueueResponse, Failure> {
        let (script_type, reason) = parse::pause(request.script_type, request.reason)?;
        let changed = lifecycle.resume_queue(script_type, &reason).await?;
        let status = Some(self.script_type_status(script_type).await?);
        Ok(pb::ResumeQueueResponse { status, changed })
    }
}

/// The name under which a template stands: where it is found in arguments, variables and the health check, the new actor's
/// name will be.
fn template_name(script_type: ScriptType, kept: Option<&str>, new: Option<&pb::ActorConfig>) -> String {
    let mentioned = |name: &&str| {
        new.is_none_or(|new| {
            let mut texts = new.args.iter().chain(new.env.values()).chain([&new.health_check]);
            texts.any(|text| has_word(text, name))
        })
    };
    kept.filter(mentioned).map_or_else(|| format!("{script_type}_actor_0"), str::to_owned)
}

/// A script type that this server knows.
pub(super) fn known_type(number: i32) -> Result<ScriptType, Failure> {
    parse::script_type(number).map_err(|_unknown| Failure::script_type_not_found(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_template_keeps_the_name_that_it_mentions_and_gets_the_usual_one_otherwise() {
        let with = |arg: &str| pb::ActorConfig { args: vec![arg.to_owned()], ..Default::default() };
        let name = |kept, new: Option<&pb::ActorConfig>| template_name(ScriptType::SAL, kept, new);
        assert_eq!(name(None, None), "sal_actor_0");
        assert_eq!(name(Some("worker"), None), "worker");
        assert_eq!(name(Some("worker"), Some(&with("--id=worker"))), "worker");
        assert_eq!(name(Some("worker"), Some(&with("sal_actor_0"))), "sal_actor_0");
        assert_eq!(name(Some("sal"), Some(&with("--actor-id sal_actor_0"))), "sal_actor_0");
        let check = pb::ActorConfig { health_check: "test -e /run/worker".to_owned(), ..Default::default() };
        assert_eq!(name(Some("worker"), Some(&check)), "worker");
    }
}
