//! Applies the settings of script types from the configuration file.

use std::fmt;
use std::time::Duration;

use crate::config::FileScriptType;
use crate::domain::actors::{ActorLifecycleManager, ScaleRequest};
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::scaling::{ScalingMode, ScalingPolicy};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::error::SupervisorError;

/// The outcome, by script type.
#[derive(Debug, Default)]
pub(super) struct AppliedSettings {
    pub(super) changed: Vec<ScriptType>,
    pub(super) unchanged: Vec<ScriptType>,
    pub(super) failed: Vec<(String, SupervisorError)>,
}

impl fmt::Display for AppliedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changed, unchanged, failed } = self;
        write!(f, "{} changed, {} unchanged, {} failed", changed.len(), unchanged.len(), failed.len())
    }
}

/// Stores the settings that differ from those of the file.
pub(super) async fn apply(lifecycle: &ActorLifecycleManager, declared: &[FileScriptType]) -> AppliedSettings {
    let mut applied = AppliedSettings::default();
    for wanted in declared {
        match bring_about(lifecycle, wanted).await {
            Ok(true) => applied.changed.push(wanted.script_type),
            Ok(false) => applied.unchanged.push(wanted.script_type),
            Err(error) => applied.failed.push((wanted.script_type.to_string(), error)),
        }
    }
    applied
}

/// Returns true if something has changed.
async fn bring_about(
    lifecycle: &ActorLifecycleManager,
    wanted: &FileScriptType,
) -> Result<bool, SupervisorError> {
    let changed = keep(lifecycle, wanted).await?;
    let scaled = fill_up(lifecycle, wanted).await?;
    Ok(changed || scaled)
}

/// Scales this node out to the number of actors that the file declares. Stored settings do not imply the number:
/// settings are shared by all nodes, the number is that of each node, and an earlier scaling may have failed. Stopped
/// actors count, so that actors that were stopped by hand stay stopped.
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
    let ours = all.iter().map(|actor| &actor.record).filter(|record| {
        record.node == *lifecycle.node() && record.config.queue() == wanted.script_type.into()
    });
    if ours.count() >= replicas as usize {
        return Ok(false);
    }
    let request = ScaleRequest { drain_timeout, ..ScaleRequest::new(wanted.script_type, replicas) };
    lifecycle.scale(request, Duration::ZERO).await?;
    Ok(true)
}

/// Stores settings and template if they differ from those of the file. Returns true if they did.
async fn keep(lifecycle: &ActorLifecycleManager, wanted: &FileScriptType) -> Result<bool, SupervisorError> {
    let change = |stored: &ScriptTypeSettings, template: Option<&ActorConfig>| {
        Ok::<_, SupervisorError>((
            wanted.over(stored.clone()),
            wanted.template.as_ref().or(template).cloned(),
        ))
    };
    lifecycle.update_script_type(wanted.script_type, change).await
}
