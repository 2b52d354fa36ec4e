//! The files of TLS: read, checked, and made into the configuration of handshakes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::certificate;
use super::{Active, Protocols};
use crate::config::{ClientAuth, MinVersion, TlsFiles};
use crate::pem;
use crate::private_file::{PrivateFileError, read_private, read_public};

/// TLS 1.2 and later.
static FROM_1_2: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
/// TLS 1.3.
static FROM_1_3: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// The error of files that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not read.
    #[error("{key}: {source}")]
    File {
        /// The setting.
        key: &'static str,
        /// The cause.
        source: PrivateFileError,
    },
    /// A file has not got what it is to have.
    #[error("{key}: {} {what}", path.display())]
    Content {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The fault, and what to do.
        what: String,
    },
    /// The two do not belong together.
    #[error("tls.key: {} is not the key of the certificate {}: name the pair that belongs together", key.display(), cert.display())]
    Mismatch {
        /// The key.
        key: PathBuf,
        /// The certificate.
        cert: PathBuf,
    },
    /// The library refuses.
    #[error("tls: the files cannot be used: {0}")]
    Refused(String),
}

/// Reads and checks the files.
pub(super) fn load(files: &TlsFiles, now: SystemTime) -> Result<Active, TlsError> {
    let chain = certificates("tls.cert", &files.cert)?;
    let content = |what: String| TlsError::Content { key: "tls.cert", path: files.cert.clone(), what };
    let validity = certificate::validity_of_all(&chain).map_err(content)?;
    validity.check(now).map_err(content)?;
    let names = certificate::names(&chain[0]).map_err(content)?;
    let key = private_key(&files.key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = client_verifier(files, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(files.min_version))
        .map_err(|error| TlsError::Refused(error.to_string()))?
        .with_client_cert_verifier(Arc::clone(&verifier))
        .with_single_cert(chain, key)
        .map_err(|error| refused(error, files))?;
    // A resumed session is not asked for its certificate again, so one that was revoked could come back. Connections of
    // gRPC are long, so that hardly any would be resumed.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    let configs = Protocols::ALL.map(|protocols| {
        let mut config = config.clone();
        config.alpn_protocols = protocols.names();
        (protocols, Arc::new(config))
    });
    Ok(Active { configs, verifier, validity, names })
}

fn versions(min: MinVersion) -> &'static [&'static SupportedProtocolVersion] {
    match min {
        MinVersion::Tls12 => &FROM_1_2,
        MinVersion::Tls13 => &FROM_1_3,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the errors of rustls are open; the others tell themselves"
)]
fn refused(error: rustls::Error, files: &TlsFiles) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { key: files.key.clone(), cert: files.cert.clone() }
        }
        other => TlsError::Refused(other.to_string()),
    }
}

/// Returns what is to be done about certificates of clients.
fn client_verifier(
    files: &TlsFiles,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let (Some(path), ClientAuth::Optional | ClientAuth::Required) = (&files.client_ca, files.client_auth)
    else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let content = |what: String| TlsError::Content { key: "tls.client_ca", path: path.clone(), what };
    let mut roots = RootCertStore::empty();
    for ca in certificates("tls.client_ca", path)? {
        roots.add(ca).map_err(|error| content(format!("has a certificate that cannot be used: {error}")))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    if files.client_auth == ClientAuth::Optional {
        builder = builder.allow_unauthenticated();
    }
    let verifier = builder.build().map_err(|error| content(format!("cannot be used: {error}")))?;
    Ok(verifier)
}

/// Reads the certificates of a PEM file; at least one.
fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read_public(path).map_err(|source| TlsError::File { key, source })?;
    pem::certificates(&text).map_err(|what| TlsError::Content { key, path: path.to_owned(), what })
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let key = "tls.key";
    let text = read_private(path).map_err(|source| TlsError::File { key, source })?;
    pem::private_key(&text).map_err(|what| TlsError::Content { key, path: path.to_owned(), what })
}
