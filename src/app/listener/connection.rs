//! One connection of a caller: over TCP, with or without TLS, or through a unix socket.

use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::plaintext;
use super::trust::Trust;
use crate::app::connections::Place;
use crate::grpc::Peer;
use crate::telemetry::log_limiter::LogLimiter;

/// First byte of a TLS handshake. No request of HTTP begins with it.
pub(super) const HANDSHAKE: u8 = 0x16;
/// Limits the log lines about TLS on a port without TLS.
static UNEXPECTED_TLS: LazyLock<LogLimiter> = LazyLock::new(LogLimiter::default);

/// A connection, its other end and its place.
#[derive(Debug)]
pub(in crate::app) struct Connection {
    socket: Socket,
    peer: Peer,
    place: Place,
    /// True until the first byte has come.
    silent: bool,
    /// Trust in the certificate of the client; None without one, and after its end.
    trust: Option<Trust>,
}

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    pub(super) fn new(socket: Socket, peer: Peer, place: Place) -> Self {
        Self { socket, peer, place, silent: true, trust: None }
    }

    /// Notes that the connection is to the address of the dashboard.
    pub(super) fn of_dashboard(mut self) -> Self {
        self.peer.dashboard = true;
        self
    }

    /// Ends the connection when the trust in its client is lost.
    pub(super) fn trusted(self, trust: Option<Trust>) -> Self {
        Self { trust, ..self }
    }

    /// Fails when the trust in the client is lost.
    fn check_trust(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.trust.as_mut().is_some_and(|trust| trust.poll_lost(cx).is_ready()) {
            return Ok(());
        }
        self.trust = None;
        let peer = self.peer.address.map(|address| address.to_string()).unwrap_or_default();
        tracing::info!(
            peer,
            "listener: connection closed ({peer} has a certificate that tls.client_ca no longer vouches for)"
        );
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "no CA vouches for the client any more"))
    }

    /// Takes the connection apart.
    pub(super) fn into_parts(self) -> (Socket, Peer, Place) {
        (self.socket, self.peer, self.place)
    }

    /// Fails if the first bytes are a TLS handshake on a port without TLS, and tells both sides.
    fn check_begin(&mut self, received: &[u8]) -> io::Result<()> {
        let Some(first) = received.first().filter(|_| self.silent) else { return Ok(()) };
        self.silent = false;
        let Socket::Tcp(stream) = &self.socket else { return Ok(()) };
        if *first != HANDSHAKE {
            return Ok(());
        }
        // What is no TLS is what every TLS client names in its error. Nothing depends on the answer.
        let _written = stream.try_write(plaintext::HTTP_WITHOUT_TLS);
        if let Some(suppressed) = UNEXPECTED_TLS.due() {
            let peer = self.peer.address.map(|address| address.to_string()).unwrap_or_default();
            tracing::warn!(
                peer,
                suppressed,
                "listener: connection closed ({peer} begins with TLS, and TLS is off: it has to use http://, or tls.cert and \
                 tls.key have to be set)"
            );
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "TLS on a port without TLS"))
    }
}

/// Applies the same expression to each kind of stream.
macro_rules! with {
    ($connection:expr, $socket:ident => $done:expr) => {
        match &mut $connection.get_mut().socket {
            Socket::Tcp($socket) => $done,
            Socket::Unix($socket) => $done,
            Socket::Tls($socket) => $done,
        }
    };
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_trust(cx)?;
        let before = buf.filled().len();
        match with!(self.as_mut(), socket => Pin::new(socket).poll_read(cx, buf)) {
            Poll::Ready(Ok(())) => {
                let received = &buf.filled()[before..];
                self.check_begin(received)?;
                self.place.spoke(received.len());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.place.poll_limits(cx).map_or_else(|over| Poll::Ready(Err(over)), |()| Poll::Pending)
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        with!(self, socket => Pin::new(socket).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with!(self, socket => Pin::new(socket).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Tcp(stream) => stream.is_write_vectored(),
            Socket::Unix(stream) => stream.is_write_vectored(),
            Socket::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self, socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self, socket => Pin::new(socket).poll_shutdown(cx))
    }
}
