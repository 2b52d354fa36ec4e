//! Values and their rules: no ports, no tasks, no IO.

pub mod actor;
pub mod backoff;
pub mod clock_offset;
pub mod confinement;
pub mod durability;
pub mod event;
pub mod fleet;
pub mod flow;
pub mod health;
pub mod id;
pub mod job;
pub mod limits;
pub mod output;
pub mod queue_name;
pub mod queue_refusal;
pub mod scaling;

pub mod script_type;
pub(crate) mod secret;
pub mod settings;
pub(crate) mod text;
pub mod usage;
pub mod violation;
