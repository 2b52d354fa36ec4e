//! The public gRPC contract and the service behind it.
//!
//! A call goes through three steps, a few lines each in `service.rs`:
//!
//! ```text
//!  bytes ─► parse (proto → domain, every violation at once) ─► domain ─► render (domain → proto) ─► bytes
//!                                        errors ─► status (one table: code, reason, details)
//! ```
//! Parts that concern every call are beside `service`:
//!
//! | module | subject |
//! |---|---|
//! | `deadline` | the longest wait of a call, and the answer DEADLINE_EXCEEDED |
//! | `error_reason_layer` | a reason for the errors of the transport |
//! | `peer` | the address, certificates or credentials at the other end of the connection |
//! | `access` | authentication and authorisation |
//! | `audit`, `request_id` | calls and their ends in the audit log |
//! | `metrics_layer` | counts, durations and spans of calls |
//! | `observed_body` | the status of a call, for the layers that note its end |
//! | `shutdown_gate` | refusals and the end of waits during a shutdown |
//! | `response_size` | the items that fit into one response |
//! | `dependencies`, `serving_status` | probes of Redis and the process manager, and grpc.health.v1 |
//! | `framed_stream` | streams whose messages are encoded once for many calls |
//! | `web` | gRPC-Web for browsers |
//! | `dashboard`, `hosts` | the dashboard: its files, and the names under which it answers |
//! | `server` | all layers in their order, and the end of connections |
//! | `limits`, `server_info` | the largest message, and the identity of the server |

mod abortable_connection;
mod access;
mod audit;
mod dashboard;
mod deadline;
mod dependencies;
mod error_reason_layer;
mod framed_stream;
mod hosts;
mod identity_names;
mod limits;
mod mask;
mod metrics_layer;
mod node_calls;
mod observed_body;
mod page_token;
mod parse;
mod peer;
mod render;
mod request_id;
mod response_size;
mod server;
mod server_info;
mod service;
mod serving_status;
mod shutdown_gate;
mod status;
mod watch;
mod web;

pub(crate) use access::{ScrapeAccess, ScrapeRefusal};
pub use hosts::Hosts;
pub use peer::{Peer, UnixPeer};
pub use server::GrpcServer;
pub use server_info::{ClientCertificates, ServerInfo, TlsInfo, TlsStatus};
