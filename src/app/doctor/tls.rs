//! Checks of TLS: the files, and the end of the certificate.

use std::time::{Duration, SystemTime};

use super::Finding;
use crate::adapters::system_clock::SystemClock;
use crate::config::Config;
use crate::ports::clock::Clock;
use crate::tls::{EXPIRY_WARNING, ServerTls};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Returns a finding if TLS is on.
pub(super) fn check(config: &Config) -> Option<Finding> {
    config.tls.files().map(|files| match ServerTls::load(files) {
        Ok(tls) => certificate(&tls, SystemClock.now()),
        Err(error) => Finding::fail("tls", error.to_string(), "the service does not start with it"),
    })
}

fn certificate(tls: &ServerTls, now: SystemTime) -> Finding {
    let active = tls.active();
    let left = active.validity.left(now);
    let found = format!("{active}, {} days left", left.as_secs() / DAY.as_secs());
    if left < EXPIRY_WARNING {
        return Finding::warn("tls", found, "renew the certificate; a running service loads it by itself");
    }
    Finding::ok("tls", found)
}
