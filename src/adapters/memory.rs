//! Adapters that keep everything in memory: first-class peers of the real ones, for tests.

pub mod actor_store;
pub mod broker;
pub mod clock;
pub mod event_log;
pub mod job_queue;
pub mod node_calls;
pub mod object_store;
pub mod process_manager;
pub mod process_usage;
mod shared_store;
mod submission;
pub mod work_queue;

pub use broker::{MemoryBroker, MemoryConfig};
