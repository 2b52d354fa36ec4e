//! Configuration of property tests.

use proptest::test_runner::{Config, FileFailurePersistence};

/// Keeps failures below `tests`, where they are committed, and runs the usual number of cases.
pub(crate) fn config() -> Config {
    let persistence = FileFailurePersistence::SourceParallel("tests/proptest-regressions");
    Config { failure_persistence: Some(Box::new(persistence)), ..Config::default() }
}

/// Runs this number of cases.
pub(crate) fn cases(number: u32) -> Config {
    Config { cases: number, ..config() }
}
