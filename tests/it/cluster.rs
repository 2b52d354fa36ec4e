//! A Redis Cluster: three primaries, with replicas where one is lost, all real. The promises of queues, events and objects are kept
//! on it by `contract`.

mod doctor;
mod failover;
mod failover_series;
mod migration;
mod migration_load;
mod refusals;
mod tls;
mod usage;
