//! The composition root: the only place that joins adapters to the domain, and the domain to gRPC.

pub mod actor;
pub mod builder;
mod parts;
mod unconfigured;
