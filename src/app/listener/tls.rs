//! TLS on a TCP listener: each handshake in a task of its own, with a limit of its time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::{Connection, HANDSHAKE, Socket};
use super::handshakes::Handshakes;
use super::plaintext;
use super::trust::Trust;
use crate::grpc::Peer;
use crate::telemetry::log_limiter::LogLimiter;
use crate::telemetry::metrics::TLS_HANDSHAKES;
use crate::tls::{Protocols, ServerTls};

/// Limit of a handshake, with the wait for its first byte and for its turn.
const LIMIT: Duration = Duration::from_secs(10);
/// Bytes by which plaintext is recognised: the preface of HTTP/2.
const FIRST_BYTES: usize = 24;

/// The TLS of one listener.
#[derive(Debug)]
pub(super) struct Handshaker {
    tls: Arc<ServerTls>,
    protocols: Protocols,
    handshakes: Handshakes,
    plaintext: LogLimiter,
    refused: LogLimiter,
    slow: LogLimiter,
}

/// A handshake that came to nothing.
#[derive(Debug)]
enum Failure {
    /// The client has closed the connection, as probes of ports do.
    Closed,
    /// The client speaks HTTP without TLS.
    Plaintext,
    /// One side refuses the other.
    Refused(String),
    /// The handshake has taken too long, or its place was needed.
    Slow(String),
}

impl Handshaker {
    pub(super) fn new(tls: Arc<ServerTls>, protocols: Protocols) -> Self {
        let limiter = LogLimiter::default;
        let (plaintext, refused, slow) = (limiter(), limiter(), limiter());
        Self { tls, protocols, handshakes: Handshakes::default(), plaintext, refused, slow }
    }

    /// Makes a TLS connection of a TCP connection; None if that came to nothing, which is counted and logged.
    pub(super) async fn handshake(&self, connection: Connection) -> Option<Connection> {
        let (socket, peer, mut place) = connection.into_parts();
        let (Socket::Tcp(stream), Some(address)) = (socket, peer.address) else { return None };
        let shaken = tokio::select! {
            biased;
            shaken = timeout(LIMIT, self.shake_hands(stream)) => shaken.unwrap_or_else(|_elapsed| {
                Err(Failure::Slow(format!("it was not complete within {LIMIT:?}")))
            }),
            over = place.over() => Err(Failure::Slow(over.to_string())),
        };
        match shaken {
            Ok(stream) => {
                counter!(TLS_HANDSHAKES, "outcome" => "ok").increment(1);
                let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
                let peer = Peer::tls(address, certificates.iter().map(|der| der.to_vec()));
                let trust = Trust::new(&self.tls, certificates);
                Some(Connection::new(Socket::Tls(Box::new(stream)), peer, place).trusted(trust))
            }
            Err(failure) => {
                self.tell(&failure, &address.to_string());
                None
            }
        }
    }

    async fn shake_hands(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        let mut first = [0; FIRST_BYTES];
        let count = stream.peek(&mut first).await.map_err(|_closed| Failure::Closed)?;
        // A silent connection waits here, without a turn.
        match &first[..count] {
            [] => return Err(Failure::Closed),
            [HANDSHAKE, ..] => {}
            other => return Err(refuse_plaintext(stream, other).await),
        }
        let turn = self.handshakes.begin().await.map_err(|_closed| Failure::Closed)?;
        let config = self.tls.active().config(self.protocols);
        let (error, stream) = tokio::select! {
            biased;
            accepted = TlsAcceptor::from(config).accept(stream).into_fallible() => match accepted {
                Ok(stream) => return Ok(stream),
                Err(refused) => refused,
            },
            () = turn.displaced() => {
                let why = "its turn was needed for another one, since too many are under way";
                return Err(Failure::Slow(why.to_owned()));
            }
        };
        drop(turn);
        let failure = failure(&error);
        if let Failure::Refused(_) = failure {
            // The client has been told why, and may have sent its first request already.
            plaintext::linger(stream).await;
        }
        Err(failure)
    }

    fn tell(&self, failure: &Failure, peer: &str) {
        let (outcome, limiter, why) = match failure {
            Failure::Closed => ("closed", None, ""),
            Failure::Plaintext => {
                ("plaintext", Some(&self.plaintext), "it speaks no TLS: it has to use https://")
            }
            Failure::Refused(why) => ("refused", Some(&self.refused), why.as_str()),
            Failure::Slow(why) => ("slow", Some(&self.slow), why.as_str()),
        };
        counter!(TLS_HANDSHAKES, "outcome" => outcome).increment(1);
        if let Some(suppressed) = limiter.and_then(LogLimiter::due) {
            tracing::warn!(peer, suppressed, "listener: TLS handshake failed ({peer}: {why})");
        }
    }
}

async fn refuse_plaintext(stream: TcpStream, first: &[u8]) -> Failure {
    match plaintext::refuse(stream, first).await {
        Ok(true) => Failure::Plaintext,
        Ok(false) => Failure::Refused("it speaks neither TLS nor HTTP".to_owned()),
        Err(_closed) => Failure::Closed,
    }
}

/// Reads the error of a handshake.
fn failure(error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(refused) => Failure::Refused(format!("{refused}{}", hint(refused))),
        // The connection was lost.
        None => Failure::Closed,
    }
}

/// Returns what to do about an error.
#[expect(clippy::wildcard_enum_match_arm, reason = "the errors of rustls are open; most need no hint")]
fn hint(error: &Error) -> &'static str {
    match error {
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown,
        ) => {
            "; it does not trust the certificate of this server, or calls it by another name: give it the CA"
        }
        Error::NoCertificatesPresented => "; it has shown no certificate, and tls.client_auth is required",
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "; its certificate is signed by none of the CAs in tls.client_ca"
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "; its certificate has expired"
        }
        Error::PeerIncompatible(
            PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls12NotOffered,
        ) => "; it speaks an older version of TLS than tls.min_version",
        Error::NoApplicationProtocol => "; it does not offer HTTP/2 (ALPN h2), which gRPC needs",
        _other => "",
    }
}
