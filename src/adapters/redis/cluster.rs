//! Redis Cluster: which server has which slot, and what that means for a command.
//!
//! The client of the `redis` crate repeats a command by itself when a connection ends, and asks another server when the keys of a
//! slot are on their way to it. Here nobody may repeat a submit unknown to its caller, and a function must not see half of its
//! keys. So each server has a connection of its own, as a single one has, and this module says which one is meant.

mod ask;
mod map;
mod slots;
mod survey;
mod url;
mod watch;

use std::fmt;

pub(super) use slots::{key_of, slot_of};
pub(crate) use survey::{ClusterSurvey, ServerFacts, SurveyedServer};
pub(super) use url::ClusterUrl;
pub(super) use watch::ClusterWatch;

/// Place of a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}:{}", self.host, self.port)
    }
}
