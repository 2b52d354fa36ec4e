//! The files of TLS while the service runs: loaded again when they change, with warnings before their end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::gauge;
use tokio::time::{MissedTickBehavior, interval};

use super::reload::Reloadable;
use crate::adapters::system_clock::SystemClock;
use crate::config::ClientAuth;
use crate::grpc::{ClientCertificates, TlsInfo, TlsStatus};
use crate::ports::clock::Clock;
use crate::telemetry::metrics::TLS_NOT_AFTER;
use crate::tls::{Active, EXPIRY_WARNING, ServerTls};

/// Interval of the warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(24 * 3600);

impl Reloadable for ServerTls {
    fn subject(&self) -> &'static str {
        "tls"
    }

    fn files(&self) -> Vec<PathBuf> {
        let files = self.files();
        [&files.cert, &files.key].into_iter().chain(&files.client_ca).cloned().collect()
    }

    fn reload(&self) -> Result<String, String> {
        let active = Self::reload(self).map_err(|error| error.to_string())?;
        show_end(&active);
        Ok(active.to_string())
    }
}

impl TlsInfo for ServerTls {
    fn status(&self) -> TlsStatus {
        let active = self.active();
        let client_certificates = match self.files().client_auth {
            ClientAuth::None => ClientCertificates::None,
            ClientAuth::Optional => ClientCertificates::Optional,
            ClientAuth::Required => ClientCertificates::Required,
        };
        TlsStatus {
            names: active.names.clone(),
            not_after: active.validity.not_after,
            min_version: self.files().min_version.as_str(),
            client_certificates,
        }
    }
}

/// Sets the gauge of the end, from which alerts are made.
fn show_end(active: &Active) {
    let end = active.validity.not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    gauge!(TLS_NOT_AFTER).set(end.as_secs_f64());
}

/// Warns once a day while the certificate is about to end, or has ended.
pub(super) async fn warn_of_expiry(tls: Arc<ServerTls>) {
    show_end(&tls.active());
    let mut days = interval(WARNING_INTERVAL);
    days.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        days.tick().await;
        let active = tls.active();
        let left = active.validity.left(SystemClock.now());
        if left.is_zero() {
            tracing::error!("tls: the certificate has ended, clients refuse it ({active}): renew it");
        } else if left < EXPIRY_WARNING {
            let days = left.as_secs() / WARNING_INTERVAL.as_secs();
            tracing::warn!("tls: the certificate ends in {days} days ({active}): renew it");
        }
    }
}
