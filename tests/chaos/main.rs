//! The whole service under faults: callers, followers of events, a history of all that they were told, and a checker that
//! compares it with what really ran. `docs/testing.md` says how to run it longer and how to read a failure.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod callers;
mod checker;
mod faults;
mod followers;
mod history;
mod report;
mod run;
mod stage;
#[expect(dead_code, reason = "the parts that the other tests use")]
mod support;
mod truth;
mod wire;
