//! Redis behind Sentinels: a primary, two replicas and three Sentinels, all real.

mod doctor;
mod failover;
mod refusals;
mod replicated;
