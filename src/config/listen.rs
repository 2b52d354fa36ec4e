//! Addresses of gRPC, and which of them are safe without authentication.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Longest path of a socket: the kernel has 108 bytes for it, the last of them a NUL.
pub(crate) const LONGEST_SOCKET_PATH: usize = 107;

/// An address of gRPC.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum ListenAddr {
    /// A TCP port; 0 means any free port.
    Tcp(SocketAddr),
    /// A unix socket, for the user that runs the service.
    Unix(PathBuf),
}

impl ListenAddr {
    /// Parses `ADDR:PORT` or `unix:PATH`.
    ///
    /// # Errors
    /// The fault, with an example.
    pub fn parse(raw: &str) -> Result<Self, String> {
        if let Some(path) = raw.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.len() {
                0 => Err("unix: has no path: use unix:/run/hero-supervisor.sock for instance".to_owned()),
                length if length > LONGEST_SOCKET_PATH => Err(format!(
                    "the socket path has {length} bytes, more than the {LONGEST_SOCKET_PATH} that the system allows"
                )),
                _fits => Ok(Self::Unix(PathBuf::from(path))),
            };
        }
        if let Some(port) = raw.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
            return Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into()));
        }
        raw.parse().map(Self::Tcp).map_err(|_| {
            format!("{raw:?} is not an address: use IP:PORT, 127.0.0.1:50051 for instance, or unix:PATH")
        })
    }

    /// Returns true if no other machine can reach the address.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Tcp(addr) => addr.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// Returns the reason why an address that other machines can reach is refused.
pub(super) fn refusal(addr: &ListenAddr) -> String {
    format!(
        "{addr} can be reached from other machines, and there is no TLS and no authentication: anyone there could run \
         programs here. Use 127.0.0.1 or unix:PATH behind a proxy that does both, or say --insecure if the network \
         is yours alone"
    )
}

impl TryFrom<String> for ListenAddr {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        Self::parse(&raw)
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
