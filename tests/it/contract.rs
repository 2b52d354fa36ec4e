//! Suites that every adapter of a port passes.

mod job_queue;
mod process_manager;
