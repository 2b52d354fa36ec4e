//! Addresses that other machines can reach without TLS or without authentication, because the configuration says so.

use metrics::gauge;

use crate::config::Config;
use crate::telemetry::metrics::INSECURE;

/// Warns of each such address, and returns true if there is one.
pub(super) fn warn(config: &Config) -> bool {
    let exposed = config.exposed();
    for (address, missing) in &exposed {
        tracing::warn!(%address, "insecure: other machines can reach {address}, and {missing}");
    }
    gauge!(INSECURE).set(if exposed.is_empty() { 0.0 } else { 1.0 });
    !exposed.is_empty()
}
