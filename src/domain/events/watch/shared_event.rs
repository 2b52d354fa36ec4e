//! An event that all watchers share, with the form in which most of them send it.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::ports::event_log::Logged;

/// An event that all watchers share.
#[derive(Debug)]
pub struct SharedEvent {
    logged: Logged,
    encoded: OnceLock<Arc<[u8]>>,
}

impl SharedEvent {
    pub(super) fn new(logged: Logged) -> Arc<Self> {
        Arc::new(Self { logged, encoded: OnceLock::new() })
    }

    /// The encoded form of the event. Who asks first makes it, for all; so `encode` gives everybody the same.
    pub fn encoded(&self, encode: impl FnOnce(&Logged) -> Vec<u8>) -> Arc<[u8]> {
        Arc::clone(self.encoded.get_or_init(|| encode(&self.logged).into()))
    }
}

impl Deref for SharedEvent {
    type Target = Logged;

    fn deref(&self) -> &Logged {
        &self.logged
    }
}
