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

/// The protection of an address that other machines can reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct Protection {
    /// True if the way is encrypted: nobody on it can read or change anything.
    pub(super) tls: bool,
    /// Callers have to say who they are.
    pub(super) auth: bool,
}

impl Protection {
    /// Returns what is missing; None if nothing is.
    pub(super) fn missing(self) -> Option<&'static str> {
        match (self.tls, self.auth) {
            (true, true) => None,
            (false, false) => Some("there is no TLS and no authentication"),
            (true, false) => Some("there is no authentication"),
            (false, true) => Some("there is no TLS"),
        }
    }
}

/// Returns the reason why an address that other machines can reach is refused.
pub(super) fn refusal(addr: &ListenAddr, protection: Protection) -> String {
    let missing = protection.missing().unwrap_or_default();
    let danger = match protection.auth {
        true => "anyone on the way could read tokens and scripts",
        false => "anyone there could run programs here",
    };
    let remedies = [
        (!protection.tls).then_some("set tls.cert and tls.key"),
        (!protection.auth).then_some("set auth.mode to required"),
    ];
    let remedies: Vec<&str> = remedies.into_iter().flatten().collect();
    format!(
        "{addr} can be reached from other machines, and {missing}: {danger}. To change that, {}; or say --insecure if \
         the network is yours alone",
        remedies.join(" and ")
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
