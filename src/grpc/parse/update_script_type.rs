//! UpdateScriptType: the mask, and the settings after the change.

use crate::domain::model::actor::ActorConfig;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::domain::model::violation::Violations;
use crate::domain::script_types::update::name_template;
use crate::grpc::mask::Mask;
use crate::grpc::parse::actor::keep_env;
use crate::grpc::parse::script_type::settings;
use crate::grpc::parse::value::script_type;
use crate::grpc::render::{self, ActorView};
use crate::grpc::status::Failure;
use crate::proto as pb;

/// A parsed UpdateScriptType request.
#[derive(Debug)]
pub(crate) struct UpdateScriptType {
    /// The script type.
    pub(crate) script_type: ScriptType,
    /// Only checks the request.
    pub(crate) validate_only: bool,
    mask: Mask,
    settings: pb::ScriptTypeSettings,
}

impl UpdateScriptType {
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
        stored: &ScriptTypeSettings,
        template: Option<&ActorConfig>,
    ) -> Result<(ScriptTypeSettings, Option<ActorConfig>), Violations> {
        let current = render::settings(stored, template.cloned(), ActorView::Full);
        let mut merged = self.mask.apply(&current, &self.settings)?;
        if let Some(new) = &mut merged.actor_template {
            let old = current.actor_template.as_ref().map(|old| &old.env);
            keep_env(new, old).map_err(|what| Violations::one("settings.actor_template.env_names", what))?;
        }
        let (changed, requested) = settings(self.script_type, stored.generation, merged)?;
        let requested = requested.map(|requested| name_template(self.script_type, template, requested));
        Ok((changed, requested))
    }
}

/// Parses an UpdateScriptType request.
pub(crate) fn update_script_type(request: pb::UpdateScriptTypeRequest) -> Result<UpdateScriptType, Failure> {
    let script_type = known_type(request.script_type)?;
    let paths = request.update_mask.unwrap_or_default().paths;
    let mask = Mask::parse::<pb::ScriptTypeSettings>(&paths, "settings")?;
    let (validate_only, settings) = (request.validate_only, request.settings.unwrap_or_default());
    Ok(UpdateScriptType { script_type, validate_only, mask, settings })
}

/// Parses a script type that is the subject of a call.
///
/// # Errors
/// SCRIPT_TYPE_NOT_FOUND for one that this server does not know.
pub(crate) fn known_type(number: i32) -> Result<ScriptType, Failure> {
    script_type(number).map_err(|_unknown| Failure::script_type_not_found(number))
}
