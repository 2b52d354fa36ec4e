//! The Redis that scripts may use. It has nothing to do with that of the jobs.

use std::time::Duration;

/// Answer of the scripts' Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is no such thing.
    Nothing,
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// Texts, in order; fields and values by turns where there are such.
    Texts(Vec<String>),
}

/// A Redis that is connected to when it is first asked, and anew after its connection broke.
pub trait ScriptRedis: Send + Sync {
    /// Asks it, and waits no longer than `time_limit`.
    ///
    /// # Errors
    /// In its own words: it is away, it is late, or it refuses.
    fn ask(&self, command: &str, args: &[&str], time_limit: Duration) -> Result<Answer, String>;
}
