//! Needs of the domain in the outside world, as traits.
//!
//! Rules that every port keeps:
//! * an operation answers within its deadline or fails with `TimedOut` or `Unavailable`; nothing hangs;
//! * absence is a value (`Option`), not an error;
//! * an error says what the caller can do about it, and boxes its cause, so that no port names Redis or Zinit;
//! * repeating an operation is harmless.

pub mod actor_presence;
pub mod actor_store;
pub mod audit;
pub mod audit_reader;
pub mod authenticator;
pub mod clock;
pub mod event_log;
pub mod event_meter;
pub mod identity_directory;
pub mod job_position;
pub mod job_queue;
pub mod job_submission;
pub mod node_calls;
pub mod node_shares;
pub mod object_store;
pub mod process_manager;
pub mod process_usage;
pub mod programs;
pub mod queue;
pub mod queue_admin;
pub mod queue_maintenance;
pub mod queue_registry;
pub mod script_redis;
pub mod shared_store;
pub mod store_fault;
pub mod work_queue;

/// The cause of a port's error, whatever the adapter is made of.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;
