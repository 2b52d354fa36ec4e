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
//! upgraded or run several times over at any moment: actors and jobs continue. A new supervisor loads the desired states,
//! observes the processes and derives the same statuses.
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
//! | [`tls`], `pem`, [`private_file`] | certificates of the server, what PEM files have, files that nobody else may read | |
//!
//! The feature `service`, which is on by default, is all but [`client`] and [`proto`]: programs that only talk to a supervisor
//! do without it (`clients/rust/README.md`).
//!
//! ## The rooms of the domain
//!
//! | module | what is in it |
//! |---|---|
//! | [`domain::model`] | values: ids, jobs, actors, settings, events, limits, violations |
//! | [`domain::jobs`] | [`Supervisor`]: submit, run, await, follow, cancel |
//! | [`domain::actors`] | [`ActorLifecycleManager`]: queries, commands, bulk, logs; `machine` decides for one actor and `task` carries it out, `operation` is one start or stop, `observer` polls the processes, `maintenance` is the loop of one second |
//! | [`domain::health`] | when to ping (`decide`), the ping, the monitor, its memory (`tracker`) |
//! | [`domain::scaling`] | how many actors (`decide`), which (`plan`), the loop (`run`), scale from zero (`trigger`), rates (`queue_stats`) |
//! | [`domain::script_types`] | the cache of settings, and the rules for changes of templates |
//! | `domain::leadership` | which supervisor pings and scales for a node |
//! | [`domain::events`] | emit, write to the log, list, watch |
//!
//! # Behaviour → file
//!
//! | where is | file below `src` |
//! |---|---|
//! | the wait of a call, and its margin | `grpc/deadline.rs` |
//! | the order of shutdown | `app/run.rs`, `shutdown.rs`; of connections: `grpc/server.rs` |
//! | which error has which code and reason | `grpc/status.rs` |
//! | a field mask | `grpc/mask.rs` |
//! | a slow watcher is cut off | `grpc/watch/stall.rs` |
//! | RunJob: submit, wait, attach | `domain/jobs/run.rs`, `domain/jobs/submission.rs` |
//! | a job for one named actor | `domain/jobs/pinned.rs` |
//! | a followed job | `domain/jobs/follow.rs` |
//! | which request may run beside which | `domain/actors/admission.rs` |
//! | how states are derived | `domain/actors/derive_state.rs` |
//! | what is needed to reach the desired state | `domain/actors/reconcile.rs` |
//! | too many restarts, CRASH_LOOP | `domain/actors/restarts.rs` |
//! | the start and the stop of a process | `domain/actors/operation/start.rs`, `domain/actors/operation/stop.rs` |
//! | the life of one actor, as a diagram | `domain/actors/machine.rs` |
//! | two supervisors of one node, one record | `domain/actors/machine/record.rs`, `domain/actors/machine/lease.rs` |
//! | a changed definition restarts its actor | `domain/actors/update.rs`, then `domain/actors/machine/edit.rs` |
//! | the loop of one second | `domain/actors/maintenance.rs` |
//! | orphans: processes without a record | `domain/actors/maintenance/sweep_orphans.rs` |
//! | who leads a node | `domain/leadership.rs` |
//! | when an actor is pinged, and what follows | `domain/health/decide.rs`, `domain/health/monitor.rs` |
//! | the scaling decision, and its loop | `domain/scaling/decide.rs`, `domain/scaling/run.rs` |
//! | a number over the fleet, and who gets which share | `domain/scaling/spread.rs`, `domain/actors/scale_fleet.rs`, `domain/scaling/run/fleet.rs` |
//! | scale from zero | `domain/scaling/trigger.rs` |
//! | the etag of an actor | `domain/model/actor/etag.rs` |
//! | which metric counts pings | `app/event_metrics.rs`; all names: `telemetry/metrics.rs` |
//! | jobs of a dead process | `domain/actors/machine/reclaim.rs` → `adapters/redis/lua/jobs.lua` |
//! | dead letters | `adapters/redis/lua/records.lua` |
//! | a unique key, and what becomes of a second job | `domain/model/job/unique/decide.rs`, `adapters/redis/lua/unique.lua` |
//! | back-pressure of an actor | `actor/worker/backpressure.rs` |
//! | what of a call is noted in the audit log | `grpc/audit.rs`; the file and its chain: `adapters/audit.rs` |
//! | a backup, and its restore | `app/backup.rs`, and on the side of Redis `adapters/redis/backup.rs` |
//! | a Redis key | `adapters/redis/keys.rs` |
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
//! One file of `src` for each step, in the order in which a job goes through them. The files in the last column are asked on the
//! way: they answer at once, and their names and comments say what. `tests/it/architecture.rs` holds both lists.
//!
//! | step | file | asks |
//! |---|---|---|
//! | the call arrives | `grpc/service.rs` | |
//! | the whole call: parse, begin, wait, cancel after the wait, render. Every violation is collected before anything is done | `grpc/service/run_job.rs` | `grpc/parse/job.rs`, `grpc/service/own_jobs.rs`, `grpc/deadline.rs`, `grpc/render/job.rs` |
//! | [`Supervisor::run`]: submit, then wait for the end | `domain/jobs/run.rs` | |
//! | limits and defaults, a fresh UUIDv7, and a [`Submission`](ports::job_submission::Submission) for the queue | `domain/jobs/submission.rs` | `domain/jobs/pinned.rs` |
//! | the awaiter is registered, then the job submitted | `adapters/redis/queue/submission.rs` | |
//! | what was submitted in the same moment goes into one call of a function | `adapters/redis/queue/batches.rs` | `adapters/redis/records.rs` |
//! | record, index, event and queue entry are written in one atomic step | `adapters/redis/lua/submission.lua` | `adapters/redis/lua/quotas.lua` |
//! | an actor's blocking read: the entry wakes exactly one. Delivery is the lease, and the id of the entry is the fence: whoever cannot acknowledge it has lost the job | `adapters/redis/work_queue/take.rs` | `adapters/redis/work_queue.rs` |
//! | the worker's calls of the queue: jobs are taken while there is room for them, and ends are handed in | `actor/worker/queue_calls.rs` | `actor/worker/pending_results.rs` |
//! | the script goes over a pipe to a warm host process: a fresh engine per job on one long-lived thread with a big stack | `actor/worker/dispatch.rs` | |
//! | the end of the attempt, by its result or by the death of its host, which costs that one job | `actor/worker/finish.rs` | |
//! | ends are written in batches | `adapters/redis/work_queue/ends.rs` | |
//! | fence, record, event, and a reply to the stream of the supervisor that waits, in one atomic step | `adapters/redis/lua/leases.lua` | |
//! | the supervisor's one reader of replies resolves the awaiter, and the job becomes a message | `adapters/redis/queue/replies.rs` | |
//!
//! Would the reply be lost, a sweep (`adapters/redis/queue/sweep.rs`) finds the record: within a second while at most 1 000 calls
//! wait, within some six with 10 000.
//!
//! If the actor dies in between, the process manager's report that the process is gone is enough to reclaim its jobs at
//! once ([`domain::actors`]). The lease is the second line, for machines that vanish whole.
//!
//! # One StartActor, end to end
//!
//! The same for a start: from the call to the running process, and back. The machine waits twice for the store, for a read and for
//! a write: each answer comes back to it through the task.
//!
//! | step | file | asks |
//! |---|---|---|
//! | the call arrives; it is taken apart, carried out and rendered | `grpc/service.rs` | `grpc/service/call.rs`, `grpc/parse/actor.rs`, `grpc/render/actor.rs` |
//! | [`ActorLifecycleManager::start`]: what the actor depends on is started first; then the request is handed over and its answer awaited | `domain/actors/commands.rs` | `domain/actors/dependencies.rs` |
//! | the request goes through a channel to the one task that owns the actor | `domain/actors/registry.rs` | |
//! | the task brings inputs to its machine and carries out effects: calls of ports, the operation, replies | `domain/actors/task.rs` | `domain/actors/reply.rs` |
//! | the machine takes one input at a time; what waits for a call is a step | `domain/actors/machine.rs` | `domain/actors/machine/inbox.rs` |
//! | the request is decided on: may it run now, is it so already, or does it join what is under way? A lease and the desired state are claimed; the operation begins | `domain/actors/machine/requests.rs` | `domain/actors/admission.rs` |
//! | before that the record is read, since another supervisor may have changed it | `domain/actors/machine/record.rs` | `domain/actors/machine/change.rs` |
//! | the claim is written if nobody else has changed the record | `adapters/redis/actor_store.rs` | |
//! | the operation: program, dependencies, process, and readiness by what is observed | `domain/actors/operation/start.rs` | `domain/actors/observer.rs` |
//! | the process manager that answers is Zinit 0.3.9, or an earlier one | `adapters/zinit.rs` | |
//! | it adds the service, and its process runs | `adapters/zinit/gen3.rs` | `adapters/zinit/gen3/slots.rs` |
//! | the end of the operation is recorded and shown, and everybody who waits is answered | `domain/actors/machine/operation_end.rs` | `domain/actors/machine/status.rs` |
//!
//! The process is observed by `domain/actors/observer.rs`, for all actors at once. When it ends by itself, the machine follows the
//! observation (`domain/actors/machine/observe.rs`), also while no call is under way.
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
mod lock;
mod pem;
#[cfg(feature = "service")]
pub mod ports;
#[cfg(feature = "service")]
mod printable;
#[cfg(feature = "service")]
pub mod private_file;
#[cfg(feature = "service")]
mod proc_stat;
#[cfg(all(test, feature = "service"))]
mod properties;
#[expect(clippy::allow_attributes_without_reason, clippy::large_enum_variant, reason = "generated code")]
#[cfg_attr(feature = "service", expect(clippy::allow_attributes, reason = "generated code"))]
pub mod proto;
#[cfg(feature = "service")]
pub mod shutdown;
#[cfg(feature = "service")]
mod stable_hash;
#[cfg(feature = "service")]
pub mod telemetry;
#[cfg(feature = "service")]
pub mod tls;

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
