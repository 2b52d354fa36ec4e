//! Suites that every adapter of a port passes.

mod job_queue;
pub(crate) mod process_manager;
