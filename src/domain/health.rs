//! Health monitoring: pings idle actors through their inbox and their real engine.
//!
//! `decide` says what to do about one actor (pure), [`book`] remembers, [`monitor`] acts.

pub mod book;
mod decide;
pub mod monitor;
mod ping;

#[cfg(test)]
mod tests;
