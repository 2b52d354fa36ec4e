//! Answers to who speaks plaintext on a port with TLS, or TLS on a port without: in a form that clients show.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The answer to TLS on a port without. TLS clients call it "no TLS", whatever the text is.
pub(super) const HTTP_WITHOUT_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// The text for who speaks plaintext on a port with TLS.
const USE_HTTPS: &str = "this port speaks TLS: use https://";
/// Begin of an HTTP/2 connection.
const HTTP2_BEGIN: &[u8] = b"PRI";
/// Time for the client to read the answer and close.
const LINGER: Duration = Duration::from_secs(1);
/// Most bytes that are read meanwhile.
const MOST_IGNORED: u64 = 64 * 1024;

/// HTTP/2 frames (RFC 9113, 4.1, 6.8, 7).
mod frame {
    pub(super) const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    pub(super) const GOAWAY: u8 = 7;
    /// "The underlying transport has properties that do not meet minimum security requirements".
    pub(super) const INADEQUATE_SECURITY: [u8; 4] = [0, 0, 0, 12];
}

/// Tells a client that begins with these bytes to use TLS. Returns false for a client of no known kind.
pub(super) async fn refuse(mut stream: TcpStream, first: &[u8]) -> io::Result<bool> {
    let answer = match first {
        [first, ..] if !first.is_ascii_uppercase() => return Ok(false),
        [] => return Ok(false),
        first if first.starts_with(HTTP2_BEGIN) => http2_answer(),
        _http1 => http1_answer(),
    };
    stream.write_all(&answer).await?;
    linger(stream).await;
    Ok(true)
}

/// Closes a connection so that its client reads the last that was written: unread bytes would turn the close into a reset, which
/// can overtake it.
pub(super) async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut ignored = tokio::io::sink();
    let mut rest = stream.take(MOST_IGNORED);
    let _closed = timeout(LINGER, tokio::io::copy(&mut rest, &mut ignored)).await;
}

fn http1_answer() -> Vec<u8> {
    let length = USE_HTTPS.len() + 1;
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n\
         {USE_HTTPS}\n"
    )
    .into_bytes()
}

/// Returns the empty SETTINGS that a server must send first, and a GOAWAY with the text.
fn http2_answer() -> Vec<u8> {
    let text = USE_HTTPS.as_bytes();
    let length = u8::try_from(8 + text.len()).unwrap_or(u8::MAX);
    let goaway = [0, 0, length, frame::GOAWAY, 0, 0, 0, 0, 0];
    let last_stream = [0; 4];
    [&frame::SETTINGS[..], &goaway, &last_stream, &frame::INADEQUATE_SECURITY, text].concat()
}
