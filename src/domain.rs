//! Supervision, jobs, health and scaling: values and decisions first, loops second.
//!
//! Nothing here knows gRPC, Redis, Zinit or a socket (`tests/it/architecture.rs` reads the sources to make sure).

pub mod access;
pub mod actors;
pub mod events;
pub mod health;
pub mod jobs;
pub(crate) mod leadership;
pub mod model;
pub(crate) mod retry_conflicts;
pub mod scaling;
pub mod script_types;
pub mod usage;
