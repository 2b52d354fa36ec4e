//! The other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use tonic::transport::server::{TcpConnectInfo, UdsConnectInfo};

/// The other end of a connection. Every request has it in its extensions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    /// Address of a TCP connection; None for a unix socket.
    pub address: Option<SocketAddr>,
    /// True for a connection with TLS.
    pub tls: bool,
    /// Certificates of a TLS client in DER, its own first; empty without. The handshake has verified them against the
    /// client CAs of that moment.
    pub certificates: Arc<[Vec<u8>]>,
    /// The process that has opened a unix socket; None for TCP, and where the system does not show it.
    pub unix: Option<UnixPeer>,
    /// True for a connection to the address of the dashboard.
    pub dashboard: bool,
}

/// Credentials of a process, as the kernel noted them when it connected to a unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixPeer {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Pid of the process; None where the system does not show it.
    pub pid: Option<i32>,
}

impl Peer {
    /// Returns the peer of a TCP connection without TLS.
    pub fn tcp(address: SocketAddr) -> Self {
        Self { address: Some(address), ..Self::default() }
    }

    /// Returns the peer of a unix socket.
    pub fn unix(credentials: Option<UnixPeer>) -> Self {
        Self { unix: credentials, ..Self::default() }
    }

    /// Returns the peer of a TCP connection with TLS.
    pub fn tls(address: SocketAddr, certificates: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            address: Some(address),
            tls: true,
            certificates: certificates.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl From<tokio::net::unix::UCred> for UnixPeer {
    fn from(credentials: tokio::net::unix::UCred) -> Self {
        Self { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid() }
    }
}

impl From<TcpConnectInfo> for Peer {
    fn from(info: TcpConnectInfo) -> Self {
        Self { address: info.remote_addr, ..Self::default() }
    }
}

impl From<UdsConnectInfo> for Peer {
    fn from(info: UdsConnectInfo) -> Self {
        Self::unix(info.peer_cred.map(UnixPeer::from))
    }
}
