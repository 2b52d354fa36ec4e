//! A mutex without poisoning.
//!
//! Every user changes what is inside in steps that each leave it whole, so a panic of another thread has broken nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value behind a mutex that a panic does not poison.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    /// Puts a value behind a mutex.
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits for the value. To be held for a few statements, never across an `await`.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
