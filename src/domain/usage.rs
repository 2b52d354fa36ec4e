//! Usage of actors: rates from readings (`rate`), the last hour in memory and the means of five minutes (`history`), and all
//! actors together (`tracker`). Nothing here reads a process; the loop that does is `domain/actors/sample_usage.rs`.

mod history;
mod rate;
pub mod tracker;

pub use history::POINT;
pub use tracker::{UsageRound, UsageTracker};
