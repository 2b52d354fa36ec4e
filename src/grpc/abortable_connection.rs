//! Connections that can be aborted from outside.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::grpc::peer::Peer;

/// A connection whose reads and writes fail once its token is cancelled.
///
/// The failure ends the HTTP/2 connection. There is no other way to end it, because tonic does not expose its connection tasks.
#[derive(Debug)]
pub(crate) struct AbortableConnection<IO> {
    inner: IO,
    aborted: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<IO> AbortableConnection<IO> {
    /// Wraps a connection; it fails once `abort` is cancelled.
    pub(crate) fn new(inner: IO, abort: &CancellationToken) -> Self {
        Self { inner, aborted: Box::pin(abort.clone().cancelled_owned()) }
    }

    fn poll_aborted(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.aborted.as_mut().poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => {
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, "aborted by the end of the server"))
            }
        }
    }
}

impl<IO> Connected for AbortableConnection<IO>
where
    IO: Connected,
    Peer: From<IO::ConnectInfo>,
{
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.inner.connect_info().into()
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for AbortableConnection<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_aborted(context)?;
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for AbortableConnection<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_aborted(context)?;
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_aborted(context)?;
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_waiting_read_and_the_next_write_fail_when_the_connection_is_aborted() {
        let (here, _there) = tokio::io::duplex(64);
        let abort = CancellationToken::new();
        let mut connection = AbortableConnection::new(here, &abort);
        connection.write_all(b"hello").await.unwrap();
        let mut buffer = [0; 8];
        let reading = connection.read(&mut buffer);
        abort.cancel();
        assert_eq!(reading.await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(connection.write(b"x").await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}
