//! Errors by which a service cannot start, or has failed.

use std::path::PathBuf;

use super::listener::BindError;
use crate::error::SupervisorError;
use crate::tls::TlsError;

/// The error of a service that cannot start, or that has failed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The URL of Redis is invalid, or a file beside it.
    #[error("the settings of Redis cannot be used")]
    Redis(#[source] SupervisorError),
    /// The ready file cannot be written.
    #[error("cannot write the ready file {}", path.display())]
    ReadyFile {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The process has another recorder of metrics.
    #[error("cannot count what is to be shown as metrics")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
    /// The URL of the collector is invalid.
    #[error("otlp_endpoint cannot be used")]
    Traces(#[source] opentelemetry_otlp::ExporterBuildError),
    /// The token file cannot be used.
    #[error("auth.tokens_file")]
    Tokens(#[source] crate::config::TokenFileError),
    /// The audit log cannot be used.
    #[error(transparent)]
    Audit(#[from] crate::adapters::audit::AuditError),
    /// The keys of the identity provider cannot be used.
    #[error("auth.jwks_file: {0}")]
    Keys(String),
    /// The system does not let files be loaded again.
    #[error("cannot catch SIGHUP")]
    Hangup(#[source] std::io::Error),
    /// A certificate or a key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server has failed.
    #[error("cannot serve gRPC")]
    Serve(#[source] std::io::Error),
}
