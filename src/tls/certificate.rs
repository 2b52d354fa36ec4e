//! Facts about certificates: how long they are valid, and for which names.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The time for which certificates are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: SystemTime,
    /// The last moment.
    pub not_after: SystemTime,
}

impl Validity {
    /// Checks that a moment lies within.
    ///
    /// # Errors
    /// The fault, and what to do.
    pub fn check(&self, now: SystemTime) -> Result<(), String> {
        let date = |at| humantime::format_rfc3339_seconds(at);
        if now > self.not_after {
            return Err(format!("has expired on {}: renew it", date(self.not_after)));
        }
        if now < self.not_before {
            return Err(format!(
                "is not valid before {}: look at the clock of this machine",
                date(self.not_before)
            ));
        }
        Ok(())
    }

    /// Returns the time that is left; zero after the end.
    pub fn left(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }
}

/// Returns the time for which all certificates of a chain are valid.
pub(super) fn validity_of_all(chain: &[CertificateDer<'_>]) -> Result<Validity, String> {
    let mut all = Validity { not_before: SystemTime::UNIX_EPOCH, not_after: moment(LATEST) };
    for certificate in chain {
        let parsed = parse(certificate)?;
        let validity = parsed.validity();
        all.not_before = all.not_before.max(moment(validity.not_before.timestamp()));
        all.not_after = all.not_after.min(moment(validity.not_after.timestamp()));
    }
    Ok(all)
}

/// The last second of the year 9999, which means "no end" in a certificate (RFC 5280, 4.1.2.5).
const LATEST: i64 = 253_402_300_799;

fn moment(seconds: i64) -> SystemTime {
    let seconds = u64::try_from(seconds.min(LATEST)).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Returns the DNS names and addresses of a certificate.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, String> {
    let parsed = parse(certificate)?;
    let extension =
        parsed.subject_alternative_name().map_err(|error| format!("has unreadable names: {error}"))?;
    let names = extension.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    Ok(names.iter().filter_map(name).collect())
}

/// Returns the URI and DNS names of the certificate of a caller, and the last moment of its time.
///
/// # Errors
/// The fault of one that cannot be read.
pub fn caller_of_certificate(certificate: &[u8]) -> Result<(Vec<String>, SystemTime), String> {
    let certificate = CertificateDer::from(certificate);
    let parsed = parse(&certificate)?;
    let extension =
        parsed.subject_alternative_name().map_err(|error| format!("has unreadable names: {error}"))?;
    let names = extension.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let names = names.iter().filter_map(|name| {
        let (GeneralName::URI(name) | GeneralName::DNSName(name)) = name else { return None };
        Some((*name).to_owned())
    });
    Ok((names.collect(), moment(parsed.validity().not_after.timestamp())))
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = name {
        return Some((*name).to_owned());
    }
    let GeneralName::IPAddress(bytes) = name else { return None };
    let v4 = <[u8; 4]>::try_from(*bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
    let v6 = || <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
    v4.or_else(|_not_v4| v6()).ok()
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    match X509Certificate::from_der(certificate) {
        Ok((_rest, parsed)) => Ok(parsed),
        Err(error) => Err(format!("has a certificate that cannot be read: {error}")),
    }
}
