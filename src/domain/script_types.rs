//! Script types: the cache of their settings, and the rules for changes of them.

pub mod settings_cache;
pub mod update;
