//! The gRPC surface as a caller sees it: a real server on a real socket, in-memory adapters behind it.

pub(crate) mod actors;
mod bad_input;
mod capabilities;
mod end;
mod grpcurl;
mod health;
mod jobs;
pub(crate) mod on_memory;
mod pages;
mod pinned;
mod reflection;
mod sizes;
mod update;
mod usage;
mod views;
mod waiting;
mod watches;
