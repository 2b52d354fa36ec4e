//! UpdateScriptType and UpdateQueue: the mask, and the settings after the change.

use crate::domain::model::actor::ActorConfig;
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::domain::model::violation::Violations;
use crate::domain::script_types::update::name_template;
use crate::grpc::mask::Mask;
use crate::grpc::parse::actor::keep_env;
use crate::grpc::parse::script_type::settings;
use crate::grpc::parse::value::{given, script_type};
use crate::grpc::render::{self, ActorView};
use crate::grpc::status::Failure;
use crate::proto as pb;

/// A parsed change of settings.
#[derive(Debug)]
pub(crate) struct UpdateSettings {
    /// The etag that the settings must have.
    pub(crate) etag: Option<String>,
    /// Only checks the request.
    pub(crate) validate_only: bool,
    mask: Mask,
    settings: pb::ScriptTypeSettings,
}

impl UpdateSettings {
    /// Returns true if the call takes over the template: programs that are started as the user of the process manager.
    pub(crate) fn defines_programs(&self) -> bool {
        self.mask.takes("actor_template", self.settings.actor_template.is_some())
    }

    /// Returns the settings and the template after the change.
    ///
    /// # Errors
    /// Every violation of the changed settings.
    pub(crate) fn change(
        &self,
        queue: TypedQueue,
        stored: &ScriptTypeSettings,
        template: Option<&ActorConfig>,
    ) -> Result<(ScriptTypeSettings, Option<ActorConfig>), Violations> {
        let current = render::settings(stored, template.cloned(), ActorView::Full);
        let mut merged = self.mask.apply(&current, &self.settings)?;
        if let Some(new) = &mut merged.actor_template {
            let old = current.actor_template.as_ref().map(|old| &old.env);
            keep_env(new, old).map_err(|what| Violations::one("settings.actor_template.env_names", what))?;
        }
        let (changed, requested) = settings(queue, stored.generation, merged)?;
        let requested = requested.map(|requested| name_template(queue.name, template, requested));
        Ok((changed, requested))
    }
}

/// Parses an UpdateScriptType request.
pub(crate) fn update_script_type(
    request: pb::UpdateScriptTypeRequest,
) -> Result<(ScriptType, UpdateSettings), Failure> {
    let script_type = known_type(request.script_type)?;
    let paths = request.update_mask.unwrap_or_default().paths;
    let mask = Mask::parse::<pb::ScriptTypeSettings>(&paths, "settings")?;
    let (validate_only, settings) = (request.validate_only, request.settings.unwrap_or_default());
    Ok((script_type, UpdateSettings { etag: None, validate_only, mask, settings }))
}

/// Parses an UpdateQueue request.
pub(crate) fn update_queue(
    request: pb::UpdateQueueRequest,
) -> Result<(QueueName, UpdateSettings), Violations> {
    let name = super::queue(&request.queue)?;
    let paths = request.update_mask.unwrap_or_default().paths;
    let mask = Mask::parse::<pb::ScriptTypeSettings>(&paths, "settings")?;
    let (validate_only, settings) = (request.validate_only, request.settings.unwrap_or_default());
    Ok((name, UpdateSettings { etag: given(request.etag), validate_only, mask, settings }))
}

/// Parses a script type that is the subject of a call.
///
/// # Errors
/// SCRIPT_TYPE_NOT_FOUND for one that this server does not know.
pub(crate) fn known_type(number: i32) -> Result<ScriptType, Failure> {
    script_type(number).map_err(|_unknown| Failure::script_type_not_found(number))
}
