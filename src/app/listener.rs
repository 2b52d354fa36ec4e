//! Listeners of the service: TCP ports and unix sockets, bound before anything else is done.

mod connection;
mod handshakes;
mod plaintext;
mod tls;
mod trust;

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use tokio::net::{TcpListener, UnixListener, UnixSocket, UnixStream};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::connections::{Places, for_browsers, for_callers};
use crate::config::ListenAddr;
use crate::grpc::{Peer, UnixPeer};
use crate::telemetry::log_limiter::LogLimiter;
use crate::tls::{Protocols, ServerTls};

pub(super) use connection::Connection;

use connection::Socket;
use tls::Handshaker;

/// Delay after a failed accept, mostly "too many open files": long enough to spare the processor, short for callers.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time for which an address may be taken although its process was killed: a child between fork and exec holds the socket.
const ORPHAN_LIMIT: Duration = Duration::from_secs(1);
/// Delay between looks at such an address.
const ORPHAN_PAUSE: Duration = Duration::from_millis(50);
/// Limits the log lines about failed accepts.
static REFUSED: LazyLock<LogLimiter> = LazyLock::new(LogLimiter::default);
/// Mode of a unix socket: whoever can open it can run programs as this user, so group and others have no rights.
const OWNER_ONLY: u32 = 0o600;
/// Length of the accept queue; the customary value.
const BACKLOG: u32 = 1024;

/// The error of an address that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refuses.
    #[error("cannot listen on {addr}: {source}{}", bind_hint(source))]
    Refused {
        /// The address.
        addr: ListenAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// Another process answers on the socket.
    #[error("cannot listen on unix:{}: another process listens there; stop it or use another path", .0.display())]
    SocketInUse(PathBuf),
    /// The path exists and is no socket.
    #[error("cannot listen on unix:{}: the path exists and is not a socket; move it away", .0.display())]
    NotASocket(PathBuf),
}

fn bind_hint(error: &io::Error) -> &'static str {
    const HINTS: [(io::ErrorKind, &str); 3] = [
        (
            io::ErrorKind::AddrInUse,
            "; stop who has it, or use --listen with another port (0 for any free one)",
        ),
        (io::ErrorKind::NotFound, "; make its folder first"),
        (io::ErrorKind::PermissionDenied, "; use a port above 1023, or a path that you may write to"),
    ];
    HINTS.iter().find(|(kind, _)| *kind == error.kind()).map_or("", |(_, hint)| hint)
}

/// A bound listener.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

impl Listener {
    /// Binds the address. Connections are accepted only by [`incoming`].
    pub(super) async fn bind(addr: &ListenAddr) -> Result<Self, BindError> {
        let refused = |source| BindError::Refused { addr: addr.clone(), source };
        match addr {
            ListenAddr::Tcp(socket) => {
                let listener = bind_port(*socket).await.map_err(refused)?;
                let bound = listener.local_addr().map_err(refused)?;
                Ok(Self::Tcp(listener, bound))
            }
            ListenAddr::Unix(path) => {
                remove_stale_socket(path).await?;
                let socket = UnixSocket::new_stream().map_err(refused)?;
                socket.bind(path).map_err(refused)?;
                // Set before listening, which is the precondition of any connection.
                std::fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY)).map_err(refused)?;
                let file = SocketFile::of(path).map_err(refused)?;
                Ok(Self::Unix(socket.listen(BACKLOG).map_err(refused)?, file))
            }
        }
    }

    /// Binds the address, or with `anywhere` any free port if another process has it.
    pub(super) async fn bind_or_other(addr: &ListenAddr, anywhere: bool) -> Result<Self, BindError> {
        let ListenAddr::Tcp(socket) = addr else { return Self::bind(addr).await };
        if !anywhere {
            return Self::bind(addr).await;
        }
        let refused = |source| BindError::Refused { addr: addr.clone(), source };
        match TcpListener::bind(socket).await {
            Ok(listener) => {
                let bound = listener.local_addr().map_err(refused)?;
                Ok(Self::Tcp(listener, bound))
            }
            Err(_taken) => Self::bind(&ListenAddr::Tcp(SocketAddr::new(socket.ip(), 0))).await,
        }
    }

    /// Returns the address for callers, with the real port.
    pub(super) fn address(&self) -> ListenAddr {
        match self {
            Self::Tcp(_, bound) => ListenAddr::Tcp(*bound),
            Self::Unix(_, file) => ListenAddr::Unix(file.path.clone()),
        }
    }

    /// Accepts the next connection once there is a place. A lack of file descriptors does not end it.
    async fn accept_patiently(&self, places: &Places) -> Connection {
        loop {
            match self.accept().await {
                Ok((socket, peer)) => return Connection::new(socket, peer, places.take().await),
                Err(error) => {
                    if let Some(suppressed) = REFUSED.due() {
                        tracing::warn!(%error, address = %self.address(), suppressed, "listener: connection not accepted ({error})");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Self::Tcp(listener, _) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Socket::Tcp(stream), Peer::tcp(address)))
            }
            Self::Unix(listener, _) => {
                let (stream, _unnamed) = listener.accept().await?;
                let peer = Peer::unix(stream.peer_cred().ok().map(UnixPeer::from));
                Ok((Socket::Unix(stream), peer))
            }
        }
    }
}

/// The TLS of TCP listeners, and what is spoken behind it.
#[derive(Debug, Clone)]
pub(super) struct TlsOptions {
    pub(super) tls: Arc<ServerTls>,
    pub(super) protocols: Protocols,
}

/// Streams the connections of callers from all listeners. It never ends, even with a lack of file descriptors.
pub(super) fn incoming(
    listeners: Vec<Listener>,
    tls: Option<&TlsOptions>,
) -> BoxStream<'static, io::Result<Connection>> {
    let (tcp, unix) = for_callers();
    let each = listeners.into_iter().map(|listener| {
        let places = match &listener {
            Listener::Tcp(..) => Arc::clone(&tcp),
            Listener::Unix(..) => Arc::clone(&unix),
        };
        connections(listener, places, tls).map(Ok)
    });
    stream::select_all(each).boxed()
}

/// Streams the connections of the dashboard.
pub(super) fn of_dashboard(
    listener: Listener,
    tls: Option<&TlsOptions>,
) -> BoxStream<'static, io::Result<Connection>> {
    connections(listener, for_browsers(), tls).map(|connection| Ok(connection.of_dashboard())).boxed()
}

/// Streams the connections of one listener, those of TCP after their TLS handshake if there is TLS.
#[expect(clippy::disallowed_methods, reason = "the stream owns the task, and ends it when it is dropped")]
pub(super) fn connections(
    listener: Listener,
    places: Arc<Places>,
    tls: Option<&TlsOptions>,
) -> BoxStream<'static, Connection> {
    let tls = tls.filter(|_| matches!(listener, Listener::Tcp(..)));
    let handshaker =
        tls.map(|options| Arc::new(Handshaker::new(Arc::clone(&options.tls), options.protocols)));
    let accepted = stream::unfold((listener, places), |(listener, places)| async {
        let connection = listener.accept_patiently(&places).await;
        Some((connection, (listener, places)))
    });
    let Some(handshaker) = handshaker else { return accepted.boxed() };
    let handshakes = accepted.map(move |connection| {
        let handshaker = Arc::clone(&handshaker);
        let handshake = tokio::spawn(async move { handshaker.handshake(connection).await });
        // Ended with the stream.
        AbortOnDropHandle::new(handshake)
    });
    // Each has a place, and the places are limited; a limit here would hold up the accepting.
    let finished = handshakes.buffer_unordered(usize::MAX);
    finished.filter_map(|finished| async { finished.ok().flatten() }).boxed()
}

/// A socket file, removed when this is dropped unless it was replaced by another.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), inode: inode(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!(%error, path = %self.path.display(), "listener: socket file not removed ({error})");
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Binds a port. One that is taken is tried again for [`ORPHAN_LIMIT`].
async fn bind_port(addr: SocketAddr) -> io::Result<TcpListener> {
    let given_up = Instant::now() + ORPHAN_LIMIT;
    loop {
        match TcpListener::bind(addr).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < given_up => {
                tokio::time::sleep(ORPHAN_PAUSE).await;
            }
            bound => return bound,
        }
    }
}

/// Removes the socket of a process that is gone, and keeps one that a process answers on.
async fn remove_stale_socket(path: &Path) -> Result<(), BindError> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    let given_up = Instant::now() + ORPHAN_LIMIT;
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return std::fs::remove_file(path).map_err(|source| BindError::Refused {
                    addr: ListenAddr::Unix(path.to_owned()),
                    source,
                });
            }
            Ok(_) | Err(_) if Instant::now() < given_up => tokio::time::sleep(ORPHAN_PAUSE).await,
            Ok(_) | Err(_) => return Err(BindError::SocketInUse(path.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;
    use tonic::transport::server::Connected;

    use super::*;

    fn unix(path: &Path) -> ListenAddr {
        ListenAddr::Unix(path.to_owned())
    }

    #[tokio::test]
    async fn a_unix_socket_is_for_its_owner_and_goes_with_the_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = Listener::bind(&unix(&path)).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves the file, as a killed process does");
        let living = Listener::bind(&unix(&path)).await.unwrap();
        assert!(matches!(Listener::bind(&unix(&path)).await, Err(BindError::SocketInUse(_))));
        drop(living);
        std::fs::write(&path, "a letter").unwrap();
        assert!(matches!(Listener::bind(&unix(&path)).await, Err(BindError::NotASocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"a letter");
    }

    #[tokio::test]
    async fn a_socket_is_replaced_once_the_last_child_of_a_killed_process_lets_go_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let child = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (socket, taken) = (unix(&path), ListenAddr::Tcp(port.local_addr().unwrap()));
        let exec = async {
            tokio::task::yield_now().await;
            drop((child, port));
        };
        let (socket, port, ()) = tokio::join!(Listener::bind(&socket), Listener::bind(&taken), exec);
        assert!(socket.is_ok() && port.is_ok(), "{socket:?} {port:?}");
    }

    #[tokio::test]
    async fn a_socket_that_was_replaced_by_another_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let first = Listener::bind(&unix(&path)).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let _second = Listener::bind(&unix(&path)).await.unwrap();
        drop(first);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_connection_knows_its_other_end() {
        let dir = tempfile::tempdir().unwrap();
        let (tcp, local) = for_callers();
        let socket = Listener::bind(&unix(&dir.path().join("s"))).await.unwrap();
        let (accepted, caller) =
            tokio::join!(socket.accept_patiently(&local), UnixStream::connect(dir.path().join("s")));
        drop(caller.unwrap());
        let user = accepted.connect_info().unix.unwrap();
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        assert_eq!((user.uid, user.gid), (uid, gid));
        assert_eq!(user.pid.map(i32::cast_unsigned), Some(std::process::id()));

        let port = Listener::bind(&ListenAddr::parse("127.0.0.1:0").unwrap()).await.unwrap();
        let ListenAddr::Tcp(address) = port.address() else { panic!("not a port") };
        let (accepted, caller) = tokio::join!(port.accept_patiently(&tcp), TcpStream::connect(address));
        assert_eq!(accepted.connect_info(), Peer::tcp(caller.unwrap().local_addr().unwrap()));
    }

    #[tokio::test]
    async fn a_taken_port_says_what_to_do() {
        let first = Listener::bind(&ListenAddr::parse("127.0.0.1:0").unwrap()).await.unwrap();
        let told = Listener::bind(&first.address()).await.unwrap_err().to_string();
        assert!(told.contains("--listen"), "{told}");
    }
}
