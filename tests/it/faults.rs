//! The whole service while its parts die, freeze or go away.

mod actors;
mod between;
mod clock;
mod damaged;
mod disk;
mod flow;
mod frozen;
mod priorities;
mod redis;
mod refusals;
mod replies;
mod supervisor;
mod unique;
mod zinit;
