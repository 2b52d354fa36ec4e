//! Resources that attempts use.

use std::time::Duration;

/// Resources that one attempt has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobUsage {
    /// Processor time of all processes of the attempt, in whole microseconds.
    pub cpu: Duration,
    /// Largest resident memory of one process of the attempt, in bytes; None if it is not known.
    pub peak_memory: Option<u64>,
}

impl JobUsage {
    /// Adds what other processes of the same attempt have used.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { cpu: self.cpu.saturating_add(other.cpu), peak_memory: self.peak_memory.max(other.peak_memory) }
    }
}
