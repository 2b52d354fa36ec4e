//! Keeps script actors alive through Zinit and gives them jobs through Redis, behind one gRPC service.
//!
//! This page is the architecture. The public contract is `proto/hero/supervisor/v1`, the protocol between the
//! supervisor and its actors `docs/actor-protocol.md`.
//!
//! # Bird's view
//!
//! ```text
//!  clients, grpcurl ──gRPC──► grpc ──► domain ──► ports ◄── adapters ──► Redis   ◄── actors (any language)
//!                                                                   └──► Zinit, or the local runner
//! ```
//!
//! Processes belong to the process manager and jobs belong to Redis. The supervisor holds neither, so it can be killed,
//! upgraded or run several times over at any moment: actors go on, jobs go on, and the next supervisor reads the
//! wishes, looks at the world and arrives at the same view.
//!
//! # Code map
//!
//! | module | what it owns | what it never does |
//! |---|---|---|
//! | [`domain`] | values, decisions (pure functions) and the loops that apply them | IO, wire formats |
//! | [`ports`] | what the domain needs of the world, as traits | name an implementation |
//! | [`adapters`] | Redis, Zinit, the local runner, memory, the clock | decide, name each other or gRPC |
//! | [`grpc`] | parse requests, render answers, errors to codes, health and reflection | decide |
//! | [`actor`] | what every actor binary shares: queue loop, heartbeat, drain, engine hosts | name Redis |
//! | [`proto`] | the messages and the calls, generated from `proto` | anything else |
//! | [`descriptors`] | the same as data: names of calls, messages as JSON, fields by path | anything else |
//! | [`client`] | the client for Rust programs | name anything but [`proto`] |
//! | [`cli`] | the command line; talks gRPC like everybody else | reach into the domain's loops |
//! | [`app`] | joins adapters to the domain and the domain to gRPC | anything else |
//! | [`config`], [`shutdown`], [`telemetry`] | settings with their origins, the two-step end, logs | |
//!
//! The feature `service`, which is on by default, is all but [`client`] and [`proto`]: programs that only talk to a supervisor
//! do without it (`clients/rust/README.md`).
//!
//! # Invariants
//!
//! * `domain` and `ports` name no tonic, prost, redis, serde and no socket; adapters do not name each other. A test
//!   parses the sources (`tests/it/architecture.rs`).
//! * Redis keys are spelled in `adapters/redis/keys.rs` only, Zinit's words in `adapters/zinit` only.
//! * Every adapter of a port passes the same contract suite (`tests/it/contract`), the in-memory ones as well.
//! * In a supervisor one task writes the record of an actor, by compare-and-set, since other supervisors of the node write it,
//!   too; and one atomic function writes each change of a job.
//! * No call out without a deadline, no task without an owner, no channel without a bound.
//! * An actor's process that talks to Redis never runs script text itself: that is done by a host process behind a pipe.
//!
//! # One RunJob, end to end
//!
//! 1. `grpc` parses the request; every violation is collected before anything is done. The wait is the least of `max_wait`,
//!    what is left of the caller's deadline, and ten minutes.
//! 2. [`Supervisor::run`] checks the limits, mints a UUIDv7 and hands a [`Submission`](ports::job_queue::Submission) to the queue.
//! 3. The Redis adapter registers the awaiter, then puts what was submitted in the same moment into one function call:
//!    record, index, event and queue entry are written in one atomic step.
//! 4. An actor waits in a blocking read; the entry wakes exactly one. Delivery is the lease, and the id of the entry is the
//!    fence: whoever cannot acknowledge it has lost the job.
//! 5. The actor's loop passes the script over a pipe to a warm host process: a fresh engine per job on one long-lived
//!    thread with a big stack. A host that crashes or overruns costs that one job.
//! 6. The end is written by one function: fence, record, event, and a reply to the stream of the supervisor that waits.
//! 7. The supervisor's one reader of replies resolves the awaiter; `grpc` renders the job. Would the reply be lost, a sweep
//!    finds the record: within a second while at most 1 000 calls wait, within some six with 10 000.
//!
//! If the actor dies in between, the process manager's word that the process is gone is enough to take its jobs back
//! at once ([`domain::actors`]); the lease is the second line, for machines that vanish whole.
// The lints see the whole; what is left over when the service is left out is found by the compiler.
#![cfg_attr(not(feature = "service"), deny(warnings))]
#![cfg_attr(
    not(feature = "service"),
    expect(rustdoc::broken_intra_doc_links, reason = "this page is about the whole")
)]

#[cfg(feature = "service")]
pub mod actor;
#[cfg(feature = "service")]
pub mod adapters;
#[cfg(feature = "service")]
pub mod app;
#[cfg(feature = "service")]
pub mod cli;
pub mod client;
#[cfg(feature = "service")]
pub mod config;
#[cfg(feature = "service")]
pub mod descriptors;
#[cfg(feature = "service")]
pub mod domain;
#[cfg(feature = "service")]
pub mod error;
#[cfg(feature = "service")]
pub mod grpc;
mod grpc_code;
mod grpc_timeout;
#[cfg(feature = "service")]
mod hex;
#[cfg(feature = "service")]
mod lock;
#[cfg(feature = "service")]
pub mod ports;
#[cfg(feature = "service")]
mod printable;
#[cfg(all(test, feature = "service"))]
mod properties;
#[expect(clippy::allow_attributes_without_reason, clippy::large_enum_variant, reason = "generated code")]
#[cfg_attr(feature = "service", expect(clippy::allow_attributes, reason = "generated code"))]
pub mod proto;
#[cfg(feature = "service")]
pub mod shutdown;
#[cfg(feature = "service")]
pub mod telemetry;

#[cfg(feature = "service")]
pub use app::builder::{ActorLifecycleManagerBuilder, SupervisorBuilder};
#[cfg(feature = "service")]
pub use domain::actors::ActorLifecycleManager;
#[cfg(feature = "service")]
pub use domain::jobs::Supervisor;
#[cfg(feature = "service")]
pub use domain::model::actor::ActorConfig;
#[cfg(feature = "service")]
pub use domain::model::script_type::ScriptType;
#[cfg(feature = "service")]
pub use error::SupervisorError;

/// The examples of the client's page are compiled.
#[cfg(doctest)]
#[doc = include_str!("../clients/rust/README.md")]
pub struct ClientReadme;
