//! The public gRPC contract and the service behind it.
//!
//! A call goes through three steps, a few lines each in `service.rs`:
//!
//! ```text
//!  bytes ─► parse (proto → domain, every violation at once) ─► domain ─► render (domain → proto) ─► bytes
//!                                        errors ─► status (one table: code, reason, details)
//! ```
//! What concerns every call lives beside it: `deadline` (how long to wait, and who says that time is up), `refusal` (what
//! tonic refuses gets a reason), `answer` (what fits into one), `gate` (what is refused on the way down), `health` (who asks Redis and the process manager), `server` (limits and the end).

mod answer;
mod capabilities;
mod connection;
mod deadline;
mod gate;
mod health;
mod mask;
mod meter;
mod page_token;
mod parse;
mod refusal;
mod render;
mod server;
mod service;
mod status;
mod watch;
mod web;

pub use capabilities::built;
pub use server::{GrpcServer, ServerInfo};
