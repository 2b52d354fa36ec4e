//! Private servers and ways to wait for facts.

pub(crate) mod clock;
pub(crate) mod redis;
pub(crate) mod service;
pub(crate) mod wait;
pub(crate) mod whole;
pub(crate) mod zinit;
