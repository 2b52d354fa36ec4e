//! Applies the settings of script types and of queues from the configuration file.

use std::fmt;
use std::time::Duration;

use crate::config::FileScriptType;
use crate::domain::actors::{ActorLifecycleManager, ScaleRequest};
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::scaling::{ScaleScope, ScalingMode, ScalingPolicy};
use crate::domain::model::settings::ScriptTypeSettings;
use crate::error::SupervisorError;

/// The outcome, by queue; a script type is its default queue.
#[derive(Debug, Default)]
pub(super) struct AppliedSettings {
    pub(super) changed: Vec<QueueName>,
    pub(super) unchanged: Vec<QueueName>,
    pub(super) failed: Vec<(String, SupervisorError)>,
}

impl fmt::Display for AppliedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changed, unchanged, failed } = self;
        write!(f, "{} changed, {} unchanged, {} failed", changed.len(), unchanged.len(), failed.len())
    }
}

/// Stores the settings that differ from those of the file.
pub(super) async fn apply<'a>(
    lifecycle: &ActorLifecycleManager,
    declared: impl Iterator<Item = (TypedQueue, &'a FileScriptType)>,
) -> AppliedSettings {
    let mut applied = AppliedSettings::default();
    for (queue, wanted) in declared {
        match bring_about(lifecycle, queue, wanted).await {
            Ok(true) => applied.changed.push(queue.name),
            Ok(false) => applied.unchanged.push(queue.name),
            Err(error) => applied.failed.push((queue.to_string(), error)),
        }
    }
    applied
}

/// Returns true if something has changed.
async fn bring_about(
    lifecycle: &ActorLifecycleManager,
    queue: TypedQueue,
    wanted: &FileScriptType,
) -> Result<bool, SupervisorError> {
    let changed = keep(lifecycle, queue, wanted).await?;
    let scaled = fill_up(lifecycle, queue, wanted).await?;
    Ok(changed || scaled)
}

/// Scales this node out to the number of actors that the file declares. Stored settings do not imply the number:
/// settings are shared by all nodes, the number is that of each node, and an earlier scaling may have failed. Stopped
/// actors count, so that actors that were stopped by hand stay stopped.
async fn fill_up(
    lifecycle: &ActorLifecycleManager,
    queue: TypedQueue,
    wanted: &FileScriptType,
) -> Result<bool, SupervisorError> {
    // A number that counts over the fleet is the business of its leader.
    let Some(ScalingPolicy {
        mode: ScalingMode::Fixed,
        scope: ScaleScope::Node,
        replicas: Some(replicas),
        drain_timeout,
        ..
    }) = wanted.scaling
    else {
        return Ok(false);
    };
    let all = lifecycle.actors().await?;
    let ours = all
        .iter()
        .map(|actor| &actor.record)
        .filter(|record| record.node == *lifecycle.node() && record.config.queue() == queue.name);
    if ours.count() >= replicas as usize {
        return Ok(false);
    }
    let request = ScaleRequest { drain_timeout, ..ScaleRequest::new(queue, replicas) };
    lifecycle.scale(request, Duration::ZERO).await?;
    Ok(true)
}

/// Stores settings and template if they differ from those of the file. Returns true if they did.
async fn keep(
    lifecycle: &ActorLifecycleManager,
    queue: TypedQueue,
    wanted: &FileScriptType,
) -> Result<bool, SupervisorError> {
    let change = |stored: &ScriptTypeSettings, template: Option<&ActorConfig>| {
        Ok::<_, SupervisorError>((
            wanted.over(stored.clone()),
            wanted.template.as_ref().or(template).cloned(),
        ))
    };
    lifecycle.update_script_type(queue, change).await
}
