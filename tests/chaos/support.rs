//! The fixtures of the other tests.

#[path = "../it/support/clock.rs"]
pub(crate) mod clock;
#[path = "../it/support/full_service.rs"]
pub(crate) mod full_service;
#[path = "../it/support/redis.rs"]
pub(crate) mod redis;
#[path = "../it/support/service.rs"]
pub(crate) mod service;
#[path = "../it/support/wait.rs"]
pub(crate) mod wait;
#[path = "../it/support/zinit.rs"]
pub(crate) mod zinit;
