//! Health monitoring: pings idle actors through their inbox and their real engine.
//!
//! `decide` says what to do about one actor (pure), [`tracker`] remembers, [`monitor`] acts.

mod decide;
pub mod monitor;
mod ping;
pub mod report;
pub mod tracker;

#[cfg(test)]
mod tests;
