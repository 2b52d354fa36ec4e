//! Script types: commands for their queues, the cache of their settings, and the rules for changes of them.

pub mod queue_commands;
pub mod settings_cache;
pub mod update;
