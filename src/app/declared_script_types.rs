//! Makes the rules of script types be as the configuration file says.

use std::fmt;
use std::time::Duration;

use crate::config::FileScriptType;
use crate::domain::actors::{ActorLifecycleManager, ScaleRequest};
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::scaling::{ScalingMode, ScalingPolicy};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::error::SupervisorError;

/// What was done about them.
#[derive(Debug, Default)]
pub(super) struct AppliedSettings {
    pub(super) changed: Vec<ScriptType>,
    pub(super) left_alone: Vec<ScriptType>,
    pub(super) failed: Vec<(String, SupervisorError)>,
}

impl fmt::Display for AppliedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changed, left_alone, failed } = self;
        write!(f, "{} changed, {} left alone, {} failed", changed.len(), left_alone.len(), failed.len())
    }
}

/// Writes the rules that are not as the file says.
pub(super) async fn apply(lifecycle: &ActorLifecycleManager, rules: &[FileScriptType]) -> AppliedSettings {
    let mut applied = AppliedSettings::default();
    for wanted in rules {
        match bring_about(lifecycle, wanted).await {
            Ok(true) => applied.changed.push(wanted.script_type),
            Ok(false) => applied.left_alone.push(wanted.script_type),
            Err(error) => applied.failed.push((wanted.script_type.to_string(), error)),
        }
    }
    applied
}

/// True when something was changed.
async fn bring_about(
    lifecycle: &ActorLifecycleManager,
    wanted: &FileScriptType,
) -> Result<bool, SupervisorError> {
    let changed = keep(lifecycle, wanted).await?;
    let scaled = fill_up(lifecycle, wanted).await?;
    Ok(changed || scaled)
}

/// Makes this node have as many actors as the file says, if there are fewer. That the rules are kept already does not mean
/// that there are: they are the same for all nodes while the number is that of each, and to bring it about may have failed
/// when they were written. Stopped actors count: those that somebody has stopped by hand stay so.
async fn fill_up(
    lifecycle: &ActorLifecycleManager,
    wanted: &FileScriptType,
) -> Result<bool, SupervisorError> {
    let Some(ScalingPolicy { mode: ScalingMode::Fixed, replicas: Some(replicas), drain_timeout, .. }) =
        wanted.scaling
    else {
        return Ok(false);
    };
    let all = lifecycle.actors().await?;
    let ours = all
        .iter()
        .map(|actor| &actor.record)
        .filter(|record| record.node == *lifecycle.node() && record.config.script_type == wanted.script_type);
    if ours.count() >= replicas as usize {
        return Ok(false);
    }
    let request = ScaleRequest { drain_timeout, ..ScaleRequest::new(wanted.script_type, replicas) };
    lifecycle.scale(request, Duration::ZERO).await?;
    Ok(true)
}

/// Writes the rules and the template if they are not as the file says; true when they were not.
async fn keep(lifecycle: &ActorLifecycleManager, wanted: &FileScriptType) -> Result<bool, SupervisorError> {
    let change = |stored: &ScriptTypeSettings, template: Option<&ActorConfig>| {
        Ok((wanted.over(stored.clone()), wanted.template.as_ref().or(template).cloned()))
    };
    lifecycle.update_script_type(wanted.script_type, change).await
}
