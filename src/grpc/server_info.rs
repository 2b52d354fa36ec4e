//! The identity of a server, as GetServerInfo answers it.

use std::sync::Arc;
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
    /// TLS of the TCP addresses.
    pub tls: Option<Arc<dyn TlsInfo>>,
    /// True if other machines can reach an address without TLS or without authentication.
    pub insecure: bool,
    /// URL of the dashboard, if it is served on a port.
    pub dashboard_url: Option<String>,
}

/// State of a server's TLS at the moment of the call.
pub trait TlsInfo: std::fmt::Debug + Send + Sync {
    /// Returns the status.
    fn status(&self) -> TlsStatus;
}

/// TLS of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsStatus {
    /// DNS names and addresses in the certificate.
    pub names: Vec<String>,
    /// Time at which the certificate ends.
    pub not_after: SystemTime,
    /// Least version of the protocol.
    pub min_version: &'static str,
    /// Requirement of client certificates.
    pub client_certificates: ClientCertificates,
}

/// Requirement of client certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Clients are not asked.
    None,
    /// Clients may show a certificate.
    Optional,
    /// Clients have to show a certificate.
    Required,
}

impl ServerInfo {
    /// Makes the identity of a new run on this machine.
    pub fn new(node: NodeName, started_at: SystemTime) -> Self {
        Self {
            node,
            instance_id: Uuid::new_v4().to_string(),
            started_at,
            dev: false,
            tls: None,
            insecure: false,
            dashboard_url: None,
        }
    }
}
