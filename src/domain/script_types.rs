//! Script types: their settings, and the cache of them.

pub mod settings_cache;
