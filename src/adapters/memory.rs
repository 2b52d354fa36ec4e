//! Adapters that keep everything in memory: first-class peers of the real ones, for tests.

pub mod process_manager;
