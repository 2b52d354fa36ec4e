//! The group `tls`: certificate, key and client CAs of the listeners.

use std::path::PathBuf;

use serde::Deserialize;

/// The settings of the group.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// Path of the certificate chain (PEM), the certificate of the server first. TLS is off without it.
    pub cert: Option<PathBuf>,
    /// Path of its private key (PEM), readable by this user only.
    pub key: Option<PathBuf>,
    /// Path of the CAs (PEM) that have signed the certificates of clients.
    pub client_ca: Option<PathBuf>,
    /// Requirement of client certificates. Default: `required` with `client_ca`, otherwise `none`.
    pub client_auth: Option<ClientAuth>,
    /// Least version of the protocol. Default: 1.3.
    #[serde(default)]
    pub min_version: MinVersion,
    /// Serves `/metrics` with TLS, too, and with the same rule for clients.
    #[serde(default)]
    pub metrics: bool,
}

/// The flags of the group.
#[derive(Debug, Clone, Default, clap::Args, serde::Serialize)]
pub struct TlsFlags {
    /// Speak TLS on every TCP address, with the certificate chain in this PEM file [default: no TLS]
    #[arg(id = "tls.cert", long = "tls-cert", value_name = "FILE")]
    #[serde(rename = "tls.cert")]
    pub cert: Option<String>,
    /// The private key of --tls-cert, PEM, mode 0600
    #[arg(id = "tls.key", long = "tls-key", value_name = "FILE")]
    #[serde(rename = "tls.key")]
    pub key: Option<String>,
    /// Accept certificates of clients that these CAs have signed, PEM
    #[arg(id = "tls.client_ca", long = "tls-client-ca", value_name = "FILE")]
    #[serde(rename = "tls.client_ca")]
    pub client_ca: Option<String>,
    /// Certificates of clients: none, optional or required [default: required with --tls-client-ca]
    #[arg(id = "tls.client_auth", long = "tls-client-auth", value_name = "WORD")]
    #[serde(rename = "tls.client_auth")]
    pub client_auth: Option<String>,
    /// Least version of TLS: 1.2 or 1.3 [default: 1.3]
    #[arg(id = "tls.min_version", long = "tls-min-version", value_name = "VERSION")]
    #[serde(rename = "tls.min_version")]
    pub min_version: Option<String>,
    /// Serve /metrics with TLS, too
    #[arg(id = "tls.metrics", long = "tls-metrics")]
    #[serde(rename = "tls.metrics")]
    pub metrics: bool,
}

/// Requirement of client certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// Clients are not asked for one.
    None,
    /// Clients may show one, which must be valid then.
    Optional,
    /// Clients without a valid one are refused.
    Required,
}

impl ClientAuth {
    /// Returns the word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// Least version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum MinVersion {
    /// TLS 1.2 and later.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 only.
    #[default]
    #[serde(rename = "1.3")]
    Tls13,
}

impl MinVersion {
    /// Returns the word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// The files of a TLS that is on, and how they are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain of the server.
    pub cert: PathBuf,
    /// Private key of the certificate.
    pub key: PathBuf,
    /// The CAs of clients.
    pub client_ca: Option<PathBuf>,
    /// Requirement of client certificates.
    pub client_auth: ClientAuth,
    /// Least version of the protocol.
    pub min_version: MinVersion,
}

impl TlsSettings {
    /// Returns the files; None without a certificate.
    pub fn files(&self) -> Option<TlsFiles> {
        let (cert, key) = (self.cert.clone()?, self.key.clone()?);
        let asked = if self.client_ca.is_some() { ClientAuth::Required } else { ClientAuth::None };
        Some(TlsFiles {
            cert,
            key,
            client_ca: self.client_ca.clone(),
            client_auth: self.client_auth.unwrap_or(asked),
            min_version: self.min_version,
        })
    }

    /// Checks that the settings make sense together.
    pub(super) fn check(&self, mut wrong: impl FnMut(&str, String)) {
        match (&self.cert, &self.key) {
            (Some(_), None) => wrong("tls.key", "is missing: name the private key of tls.cert".to_owned()),
            (None, Some(_)) => {
                wrong("tls.cert", "is missing: name the certificate that tls.key belongs to".to_owned())
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if self.cert.is_none() {
            for (key, set) in [("tls.client_ca", self.client_ca.is_some()), ("tls.metrics", self.metrics)] {
                if set {
                    wrong(key, "has no effect without TLS: set tls.cert and tls.key".to_owned());
                }
            }
        }
        match (self.client_auth, &self.client_ca) {
            (Some(auth @ (ClientAuth::Optional | ClientAuth::Required)), None) => {
                let what = format!("is {}: name the CAs of the clients with tls.client_ca", auth.as_str());
                wrong("tls.client_auth", what);
            }
            (Some(ClientAuth::None), Some(_)) => {
                wrong(
                    "tls.client_auth",
                    "is none, so that tls.client_ca has no effect: remove one of them".to_owned(),
                );
            }
            (None | Some(_), None | Some(_)) => {}
        }
    }
}
