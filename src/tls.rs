//! TLS of the server: certificate, key and client CAs are read from files, checked, and replaced while it runs.

mod authority;
mod certificate;
mod files;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use tokio::sync::watch;

pub use authority::{PemPair, TrialAuthority, TrialNames};
pub use certificate::{Validity, caller_of_certificate};
pub use files::TlsError;

use crate::config::TlsFiles;
use crate::lock::Lock;

/// Time before the end of a certificate at which warnings begin.
pub const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 3600);

/// The TLS of a listener. New connections get what was loaded last.
pub struct ServerTls {
    files: TlsFiles,
    active: Lock<Arc<Active>>,
    /// Number of times that files were put in force.
    loads: watch::Sender<u64>,
}

/// Protocols that are offered to clients, the preferred one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/2, which gRPC needs.
    Http2,
    /// HTTP/2, and HTTP/1.1 for browsers.
    Both,
    /// HTTP/1.1, for scrapers.
    Http1,
}

impl Protocols {
    const ALL: [Self; 3] = [Self::Http2, Self::Both, Self::Http1];

    fn names(self) -> Vec<Vec<u8>> {
        let (h2, h1) = (b"h2".to_vec(), b"http/1.1".to_vec());
        match self {
            Self::Http2 => vec![h2],
            Self::Both => vec![h2, h1],
            Self::Http1 => vec![h1],
        }
    }
}

/// The loaded files.
pub struct Active {
    configs: [(Protocols, Arc<ServerConfig>); 3],
    /// Verifier of the certificates of clients.
    verifier: Arc<dyn ClientCertVerifier>,
    /// The time for which the whole chain is valid.
    pub validity: Validity,
    /// DNS names and addresses in the certificate of the server.
    pub names: Vec<String>,
}

impl ServerTls {
    /// Loads the files.
    ///
    /// # Errors
    /// A file that cannot be used, with the remedy.
    #[expect(clippy::disallowed_methods, reason = "certificates are valid by the wall clock")]
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let active = files::load(&files, SystemTime::now())?;
        Ok(Self { files, active: Lock::new(Arc::new(active)), loads: watch::Sender::new(1) })
    }

    /// Returns what was loaded last.
    pub fn active(&self) -> Arc<Active> {
        // No statement under the lock can panic.
        Arc::clone(&self.active.lock())
    }

    /// Loads the files again, and puts them in force if nothing is wrong with them.
    ///
    /// # Errors
    /// A file that cannot be used. What was loaded before stays in force.
    #[expect(clippy::disallowed_methods, reason = "certificates are valid by the wall clock")]
    pub fn reload(&self) -> Result<Arc<Active>, TlsError> {
        let active = Arc::new(files::load(&self.files, SystemTime::now())?);
        *self.active.lock() = Arc::clone(&active);
        self.loads.send_modify(|loads| *loads += 1);
        Ok(active)
    }

    /// Returns a number that changes when files are put in force.
    pub fn loads(&self) -> watch::Receiver<u64> {
        self.loads.subscribe()
    }

    /// Returns the files.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }
}

impl Active {
    /// Returns true if the client CAs vouch for this chain now, the certificate of the client first.
    pub fn vouches_for(&self, chain: &[CertificateDer<'static>]) -> bool {
        let Some((own, between)) = chain.split_first() else { return true };
        self.verifier.verify_client_cert(own, between, UnixTime::now()).is_ok()
    }

    /// Returns the configuration of handshakes.
    pub fn config(&self, protocols: Protocols) -> Arc<ServerConfig> {
        let [first, second, third] = &self.configs;
        let (_, config) = [second, third].into_iter().find(|(of, _)| *of == protocols).unwrap_or(first);
        Arc::clone(config)
    }
}

impl fmt::Display for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = if self.names.is_empty() { "no name".to_owned() } else { self.names.join(", ") };
        write!(f, "{names}, valid until {}", humantime::format_rfc3339_seconds(self.validity.not_after))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("files", &self.files).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
