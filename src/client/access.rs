//! The way to connect to an address: encryption, files of certificates, and the token.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use tonic::codegen::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, TE, USER_AGENT};
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::address::{Address, Way};
use super::authorized::Credentials;
use super::options::{Access, Given};
use super::token::Token;
use crate::pem;

/// Limit of a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest PEM file, in bytes; all CAs of a machine have some 250 000.
const MAX_PEM_BYTES: u64 = 16 * 1024 * 1024;
/// Headers that gRPC makes itself.
const OF_GRPC: [HeaderName; 4] = [CONTENT_TYPE, HOST, TE, USER_AGENT];

/// The fault of an address or of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The name of the option or of the variable; empty if it is none of one alone.
    pub(crate) name: &'static str,
    /// The fault, and the remedy.
    pub(crate) message: String,
}

impl Refusal {
    pub(super) fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            "" => f.write_str(&self.message),
            name => write!(f, "{name}: {}", self.message),
        }
    }
}

impl Access {
    /// Returns true if the connection to an address is encrypted.
    pub(super) fn encrypts(&self, address: &Address) -> bool {
        match address.way {
            Way::Tls => true,
            Way::Plain | Way::Unix => false,
            Way::Open => {
                self.cacert.is_some() || self.client_cert.is_some() || (self.has_token() && !address.local)
            }
        }
    }

    fn has_token(&self) -> bool {
        self.token.is_some() || self.token_file.is_some()
    }

    /// Refuses half a pair of certificate and key.
    pub(super) fn check_pair(&self) -> Result<(), Refusal> {
        match (&self.client_cert, &self.client_key) {
            (Some(half), None) | (None, Some(half)) => {
                Err(Refusal::new(half.name, "a client certificate and its key go together: give both"))
            }
            (Some(_), Some(_)) | (None, None) => Ok(()),
        }
    }

    /// Returns the TLS of the connection.
    pub(super) fn tls(&self) -> Result<ClientTlsConfig, Refusal> {
        let tls = ClientTlsConfig::new().timeout(HANDSHAKE_TIMEOUT);
        let tls = match &self.cacert {
            Some(given) => tls.ca_certificate(Certificate::from_pem(authorities(given)?)),
            None => tls.with_native_roots(),
        };
        Ok(match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => tls.identity(identity(certificate, key)?),
            (Some(_), None) | (None, Some(_)) | (None, None) => tls,
        })
    }

    /// Returns the token, if there is one; never for a plain connection to another machine.
    pub(super) fn shown_token(&self, address: &Address) -> Result<Option<Token>, Refusal> {
        if !self.has_token() {
            return Ok(None);
        }
        if !self.encrypts(address) && !address.local {
            let (text, place) = (&address.text, &address.place);
            let message = format!(
                "\"{text}\" would send the token in the clear to another machine: use https://{place}"
            );
            return Err(Refusal::new("", message));
        }
        let (name, token) = match (&self.token, &self.token_file) {
            (Some(token), Some(_)) => {
                return Err(Refusal::new(
                    token.name,
                    "a token and a token file were given: give one of them",
                ));
            }
            (Some(token), None) => (token.name, Token::of_text(&token.value.to_string_lossy())),
            (None, Some(file)) => (file.name, Token::of_file(file.value.clone())),
            (None, None) => return Ok(None),
        };
        token.map(Some).map_err(|message| Refusal::new(name, message))
    }
}

/// Reads the headers that every call carries, beside the token.
pub(super) fn credentials(
    headers: &[(String, String)],
    token: Option<Token>,
) -> Result<Credentials, Refusal> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let refused = |why: &str| Refusal::new("header", format!("{name:?} {why}"));
        let known =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_odd| refused("is not the name of a header"))?;
        if known == AUTHORIZATION {
            return Err(refused("is what a token is sent in: use token or token_file"));
        }
        if OF_GRPC.contains(&known) || known.as_str().starts_with("grpc-") {
            return Err(refused("is a header that gRPC makes itself: leave it out"));
        }
        let value = HeaderValue::from_str(value.trim());
        map.append(
            known,
            value.map_err(|_odd| refused("has a value that is not one line of ASCII characters"))?,
        );
    }
    Ok(Credentials { headers: Arc::new(map), token: token.map(Arc::new) })
}

/// Reads CAs, of which at least one can be used.
fn authorities(given: &Given<std::path::PathBuf>) -> Result<Vec<u8>, Refusal> {
    let (what, path) = ("the CA certificates", &given.value);
    let text = read(given.name, what, path)?;
    let certificates = pem::certificates(&text).map_err(|why| fault(given.name, what, path, &why))?;
    match RootCertStore::empty().add_parsable_certificates(certificates) {
        (0, _) => Err(fault(given.name, what, path, "has only certificates that cannot be used as CAs")),
        (_usable, _) => Ok(text),
    }
}

/// Reads a certificate and its key.
fn identity(
    certificate: &Given<std::path::PathBuf>,
    key: &Given<std::path::PathBuf>,
) -> Result<Identity, Refusal> {
    let (what, of_key) = ("the client certificate", "the key of the client certificate");
    let chain_text = read(certificate.name, what, &certificate.value)?;
    let chain = pem::certificates(&chain_text)
        .map_err(|why| fault(certificate.name, what, &certificate.value, &why))?;
    let key_text = read(key.name, of_key, &key.value)?;
    let wrong_key = |why: &str| fault(key.name, of_key, &key.value, why);
    let private = pem::private_key(&key_text).map_err(|why| wrong_key(&why))?;
    let provider = rustls::crypto::ring::default_provider();
    match CertifiedKey::from_der(chain, private, &provider) {
        Ok(_pair) => Ok(Identity::from_pem(chain_text, key_text)),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let other = certificate.value.display();
            Err(wrong_key(&format!("is not the key of {other}: name the pair that belongs together")))
        }
        Err(other) => Err(wrong_key(&format!("does not fit its certificate: {other}"))),
    }
}

fn read(name: &'static str, what: &str, path: &Path) -> Result<Vec<u8>, Refusal> {
    let unreadable = |cause: std::io::Error| {
        Refusal::new(name, format!("{what} cannot be read: {}: {cause}: name a PEM file", path.display()))
    };
    let mut text = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_PEM_BYTES + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_PEM_BYTES {
        return Err(fault(name, what, path, &format!("has more than {MAX_PEM_BYTES} bytes")));
    }
    Ok(text)
}

fn fault(name: &'static str, what: &str, path: &Path, why: &str) -> Refusal {
    Refusal::new(name, format!("{what} cannot be read: {} {why}", path.display()))
}
