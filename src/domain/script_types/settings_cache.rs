//! The copy of the settings that a supervisor works with: read at the start, again every second, and at once by whoever
//! changes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::scaling::{ScaleScope, ScalingMode, ScalingPolicy};
use crate::domain::model::script_type::{PerScriptType, ScriptType};
use crate::domain::model::settings::ScriptTypeSettings;
use crate::lock::Lock;

/// The settings that a supervisor works with. A cheap clone; all clones are one.
#[derive(Debug, Clone)]
pub struct SettingsCache {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    defaults: PerScriptType<Lock<Arc<ScriptTypeSettings>>>,
    /// Settings of those named queues that have any.
    named: Lock<BTreeMap<QueueName, Arc<ScriptTypeSettings>>>,
}

impl Default for SettingsCache {
    fn default() -> Self {
        let fresh = |script_type: ScriptType| Lock::new(Arc::new(ScriptTypeSettings::new(script_type)));
        let shared = Shared { defaults: PerScriptType::from_fn(fresh), named: Lock::default() };
        Self { shared: Arc::new(shared) }
    }
}

impl SettingsCache {
    /// Returns the settings of a queue.
    pub fn of(&self, queue: impl Into<TypedQueue>) -> Arc<ScriptTypeSettings> {
        let queue = queue.into();
        // Each change is one assignment, so a panic elsewhere cannot have broken it.
        if let Some(script_type) = queue.name.default_type() {
            return self.shared.defaults[script_type].lock().clone();
        }
        let stored = self.shared.named.lock().get(&queue.name).cloned();
        stored.unwrap_or_else(|| Arc::new(ScriptTypeSettings::new(queue)))
    }

    /// Stores newer settings; true if they differ from the old ones.
    pub fn store(&self, settings: ScriptTypeSettings) -> bool {
        let queue = TypedQueue { name: settings.queue, script_type: settings.script_type };
        let changed = *self.of(queue) != settings;
        match queue.name.default_type() {
            _ if !changed => {}
            Some(script_type) => *self.shared.defaults[script_type].lock() = Arc::new(settings),
            None => drop(self.shared.named.lock().insert(queue.name, Arc::new(settings))),
        }
        changed
    }

    /// Removes the settings of named queues that have none any more, and returns these queues.
    pub(crate) fn retain_named(&self, kept: &BTreeSet<QueueName>) -> Vec<QueueName> {
        let mut named = self.shared.named.lock();
        let gone: Vec<QueueName> = named.keys().filter(|queue| !kept.contains(queue)).copied().collect();
        named.retain(|queue, _settings| kept.contains(queue));
        gone
    }

    /// Removes the settings of a named queue; false if it has none.
    pub(crate) fn forget(&self, queue: QueueName) -> bool {
        self.shared.named.lock().remove(&queue).is_some()
    }

    /// Returns the named queues that a scaler looks after: automatic ones, and those whose number counts over the fleet.
    pub(crate) fn automatic(&self) -> Vec<TypedQueue> {
        let named = self.shared.named.lock();
        let is_looked_after = |scaling: &ScalingPolicy| {
            scaling.mode == ScalingMode::Auto
                || scaling.scope == ScaleScope::Fleet && scaling.replicas.is_some()
        };
        let automatic = named.values().filter(|settings| is_looked_after(&settings.scaling));
        automatic.map(|of| TypedQueue { name: of.queue, script_type: of.script_type }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_queue_has_settings_of_its_own_until_it_is_gone() {
        let cache = SettingsCache::default();
        let gpu = TypedQueue { name: QueueName::parse("gpu").unwrap(), script_type: ScriptType::V };
        let ours = ScriptTypeSettings { max_queue_depth: Some(5), ..ScriptTypeSettings::new(gpu) };
        assert!(cache.store(ours.clone()) && !cache.store(ours.clone()));
        assert_eq!((*cache.of(gpu)).clone(), ours);
        assert_eq!(cache.of(ScriptType::V).max_queue_depth, None);
        assert_eq!(cache.retain_named(&BTreeSet::from([gpu.name])), []);
        assert_eq!(cache.retain_named(&BTreeSet::new()), [gpu.name]);
        assert_eq!(*cache.of(gpu), ScriptTypeSettings::new(gpu));
    }
}
