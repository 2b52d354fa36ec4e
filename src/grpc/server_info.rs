//! The identity of a server, as GetServerInfo answers it.

use std::time::SystemTime;

use uuid::Uuid;

use crate::domain::model::id::NodeName;

/// Identity of a server.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// Name of the machine among the supervisors on one Redis.
    pub node: NodeName,
    /// Name of this run of the program.
    pub instance_id: String,
    /// Time at which the program was started.
    pub started_at: SystemTime,
    /// True for a server of `dev`, which starts its dependencies itself.
    pub dev: bool,
}

impl ServerInfo {
    /// Makes the identity of a new run on this machine.
    pub fn new(node: NodeName, started_at: SystemTime) -> Self {
        Self { node, instance_id: Uuid::new_v4().to_string(), started_at, dev: false }
    }
}
