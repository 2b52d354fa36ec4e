//! What every actor process is made of.
//!
//! ```text
//!  Redis ◄─ WorkQueue (port) ◄─► worker ── the queue loop: one task, all decisions
//!                                   ▲ │
//!                            events │ ▼ hosts (traits)
//!                                 process ── one child process per engine host, in a process group of its own
//!                                   ▲ │
//!                          Reply    │ ▼ frame (two sockets)
//!                                  host ── inside the child: one thread runs scripts, one answers calls,
//!                                     │     and one sends what scripts say (speaker)
//!                                     ▼ engines (trait) ── rhai, osis (with HeroScript), sal
//! ```
//! The process that talks to the queue never evaluates a script, and the process that does knows no address and no
//! secret. This module names no adapter: the binaries join it to Redis.

mod adopted;
pub mod calls;
pub mod engines;
pub(crate) mod family;
mod frame;
pub mod health;
pub mod host;
pub mod hosts;
pub mod objects;
pub mod process;
pub mod program;
mod speaker;
mod turn;
pub mod worker;
