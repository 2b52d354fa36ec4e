//! Suites that every adapter of a port passes.

mod event_log;
mod job_queue;
mod lua_helpers;
mod node_calls;
mod object_store;
pub(crate) mod process_manager;
