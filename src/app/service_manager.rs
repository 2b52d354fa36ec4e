//! Messages to the service manager (systemd) that has started this process: the service answers, the service ends.
//!
//! The protocol is that of sd_notify(3): a datagram to the socket in `NOTIFY_SOCKET`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The variable with the socket; without it there is no service manager.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Messages to the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The service answers.
    Ready,
    /// The service ends.
    Stopping,
}

/// Tells the service manager of this process, if there is one. It must not be told again by others, so a failure is logged
/// and nothing else.
pub(super) fn tell(state: State) {
    if let Err(error) = tell_at(std::env::var_os(SOCKET), state) {
        tracing::warn!(%error, ?state, "service manager: not told ({error})");
    }
}

fn tell_at(socket: Option<OsString>, state: State) -> io::Result<()> {
    let Some(socket) = socket.filter(|socket| !socket.is_empty()) else { return Ok(()) };
    let message: &[u8] = match state {
        State::Ready => b"READY=1",
        State::Stopping => b"STOPPING=1",
    };
    UnixDatagram::unbound()?.send_to_addr(message, &address(&socket)?).map(drop)
}

/// Reads an address: a path, or the name of an abstract socket behind `@`.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bound: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = bound.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_socket_by_path_and_one_by_name_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        tell_at(Some(path.into()), State::Ready).unwrap();
        assert_eq!(told(&by_path), "READY=1");

        let name = format!("hero-supervisor-test-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        tell_at(Some(format!("@{name}").into()), State::Stopping).unwrap();
        assert_eq!(told(&by_name), "STOPPING=1");
    }

    #[test]
    fn nobody_is_told_where_there_is_nobody() {
        tell_at(None, State::Ready).unwrap();
        tell_at(Some(OsString::new()), State::Ready).unwrap();
        assert!(tell_at(Some("/no/such/socket".into()), State::Ready).is_err());
    }
}
