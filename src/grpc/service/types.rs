//! Script types: reading them, changing their rules, pausing and emptying their queues.

use crate::domain::lifecycle::ActorLifecycleManager;
use crate::domain::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::grpc::mask;
use crate::grpc::parse;
use crate::grpc::proto as pb;
use crate::grpc::render;
use crate::grpc::service::SupervisorService;
use crate::grpc::status::Failure;

/// Times that a change is made again after somebody else was faster.
const MOST_TRIES: u32 = 5;

impl SupervisorService {
    /// One script type.
    pub(super) async fn script_type_status(
        &self,
        script_type: ScriptType,
    ) -> Result<pb::ScriptTypeStatus, SupervisorError> {
        self.lifecycle.script_type(script_type).await.map(render::script_type_status)
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
        for _try in 0..MOST_TRIES {
            let (kept, template) = lifecycle.rules(script_type).await?;
            // Under this name the template was made; where it stands in arguments, the new actor's name will.
            let name =
                template.as_ref().map_or_else(|| format!("{script_type}_actor_0"), |kept| kept.name.clone());
            let current = render::settings(&kept, template.clone());
            let changed = mask::apply(&current, &changes, &paths)?;
            let (rules, new_template) = parse::settings(script_type, kept.generation, &name, changed)?;
            let new_template = new_template.filter(|new| template.as_ref() != Some(new));
            if lifecycle.set_rules(rules, new_template).await? {
                return Ok(self.script_type_status(script_type).await?);
            }
        }
        Err(SupervisorError::RulesConflict(script_type).into())
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

/// A script type that this server knows.
pub(super) fn known_type(number: i32) -> Result<ScriptType, Failure> {
    parse::script_type(number).map_err(|_unknown| Failure::script_type_not_found(number))
}
