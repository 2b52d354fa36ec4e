//! Supervision, jobs, health and scaling: values and decisions first, loops second.
//!
//! Nothing here knows gRPC, Redis, Zinit or a socket (`tests/it/architecture.rs` reads the sources to make sure).

pub mod actor;
pub mod backoff;
pub mod confinement;
pub mod event;
pub mod health;
pub mod id;
pub mod job;
pub mod job_watch;
pub mod lifecycle;
pub mod output;
pub mod scaling;
pub mod script_type;
pub mod settings;
pub mod supervisor;
pub(crate) mod text;
pub mod violation;
pub mod wake;
