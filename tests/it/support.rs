//! Private servers and ways to wait for facts.

pub(crate) mod clock;
pub(crate) mod cluster;
pub(crate) mod cluster_tls;
pub(crate) mod failovers;
pub(crate) mod full_service;
pub(crate) mod hosts;
pub(crate) mod lent_cluster;
pub(crate) mod load;
pub(crate) mod redis;
pub(crate) mod sentinels;
pub(crate) mod service;
pub(crate) mod terminal;
pub(crate) mod wait;
pub(crate) mod zinit;
