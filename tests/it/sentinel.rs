//! Redis behind Sentinels: a primary, two replicas and three Sentinels, all real.

mod doctor;
mod failover;
mod failover_series;
mod refusals;
mod replicated;
