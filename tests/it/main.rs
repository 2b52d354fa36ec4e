//! The one integration binary: contracts, faults and the whole service on real servers.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

mod access;
mod actor_logs;
mod architecture;
mod cli;
mod client_dependencies;
mod client_examples;
mod client_packages;
mod clients;
mod conformance_kit;
mod contract;
mod engines;
mod event_hub;
mod events;
mod example_scripts;
mod examples;
mod exec_shim;
mod faults;
mod file_actors;
mod first_process;
mod generated_files;
mod grpc_surface;
mod grpc_web;
mod grpcurl_page;
mod lifecycle;
mod lifecycle_document;
mod lifecycle_memory;
mod metrics;
mod names;
mod operations_page;
mod osis_actor;
mod packaging;
mod page_paths;
mod promises;
mod python_actor;
mod redis_tls;
mod sal_actor;
mod traces;
mod two_supervisors;
mod two_supervisors_one_node;
mod v_actor;
mod watch_job;
mod zinit_defects;
mod zinit_recorded;
