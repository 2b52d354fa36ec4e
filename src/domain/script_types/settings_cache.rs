//! The copy of the settings that a supervisor works with: read at the start, again every second, and at once by whoever
//! changes them.

use std::sync::Arc;

use crate::domain::model::script_type::{PerScriptType, ScriptType};
use crate::domain::model::settings::ScriptTypeSettings;
use crate::lock::Lock;

/// The settings that a supervisor works with. A cheap clone; all clones are one.
#[derive(Debug, Clone)]
pub struct SettingsCache {
    shared: Arc<PerScriptType<Lock<Arc<ScriptTypeSettings>>>>,
}

impl Default for SettingsCache {
    fn default() -> Self {
        let fresh = |script_type| Lock::new(Arc::new(ScriptTypeSettings::new(script_type)));
        Self { shared: Arc::new(PerScriptType::from_fn(fresh)) }
    }
}

impl SettingsCache {
    /// Returns the settings of one script type.
    pub fn of(&self, script_type: ScriptType) -> Arc<ScriptTypeSettings> {
        // Each change is one assignment, so a panic elsewhere cannot have broken it.
        self.shared[script_type].lock().clone()
    }

    /// Stores newer settings; true if they differ from the old ones.
    pub fn store(&self, settings: ScriptTypeSettings) -> bool {
        let mut place = self.shared[settings.script_type].lock();
        let changed = **place != settings;
        if changed {
            *place = Arc::new(settings);
        }
        changed
    }
}
