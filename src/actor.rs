//! The parts of every actor process.
//!
//! ```text
//!  Redis ◄─ WorkQueue (port) ◄─► worker ── the queue loop: one task, all decisions
//!                                   ▲ │
//!                            events │ ▼ hosts (traits)
//!                                 process ── one child process per engine host, in a process group of its own
//!                                   ▲ │
//!                          Reply    │ ▼ frame (two sockets)
//!                                  host ── inside the child: one thread runs scripts, one answers calls,
//!                                     │     and one sends what scripts say (output_writer.rs)
//!                                     ▼ engines (trait) ── rhai, osis (with HeroScript), sal
//! ```
//! The process that talks to the queue never evaluates a script, and the process that does knows no address and no
//! secret. This module names no adapter: the binaries join it to Redis.

pub mod engines;
mod frame;
pub mod health;
pub mod host;
pub mod host_calls;
pub mod hosts;
pub mod launcher;
mod log_tail;
mod meter;
pub mod objects;
mod orphans;
mod output_writer;
pub(crate) mod process_tree;
pub mod program;
mod reaper;
pub mod redis_flags;
mod start_gate;
pub mod worker;
