//! Counters of lost lines and of refused changes.

use std::sync::atomic::{AtomicU64, Ordering};

use metrics::counter;

use crate::telemetry::metrics::{AUDIT_LOST, AUDIT_REFUSED};

/// Counters that callers and the writer share.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Lines that were lost since the last note of it.
    pub(super) lost: AtomicU64,
    /// Changes that were refused since the last note of it.
    pub(super) refused: AtomicU64,
}

impl Counts {
    /// Makes the series, which are there at 0 before anything happens: a rate needs a first value.
    pub(super) fn begin() -> Self {
        counter!(AUDIT_LOST).increment(0);
        counter!(AUDIT_REFUSED).increment(0);
        Self::default()
    }

    pub(super) fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        counter!(AUDIT_LOST).increment(1);
    }

    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        counter!(AUDIT_REFUSED).increment(1);
    }
}
