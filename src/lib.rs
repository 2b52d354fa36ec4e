//! Keeps script actors alive through Zinit and gives them jobs through Redis, behind one gRPC service.

pub mod actor;
pub mod adapters;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod grpc;
pub mod ports;
pub mod shutdown;
pub mod telemetry;

pub use domain::actor::ActorConfig;
pub use domain::lifecycle::ActorLifecycleManager;
pub use domain::script_type::ScriptType;
pub use domain::supervisor::Supervisor;
pub use error::SupervisorError;
