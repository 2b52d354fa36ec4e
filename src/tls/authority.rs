//! A private CA with one certificate for a server and one for a client, for trying out.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::ServerName;

/// Names of this machine, which every certificate of a server has.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Clocks may differ by this much.
const SKEW: Duration = Duration::from_secs(3600);

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct PemPair {
    /// The certificate.
    pub cert: String,
    /// The key.
    pub key: String,
}

/// The CA and the two pairs that it has signed.
#[derive(Debug, Clone)]
pub struct TrialAuthority {
    /// The CA.
    pub ca: PemPair,
    /// The pair of the server.
    pub server: PemPair,
    /// The pair of the client.
    pub client: PemPair,
}

/// The names in certificates, and their time.
#[derive(Debug, Clone)]
pub struct TrialNames {
    hosts: Vec<String>,
    client: String,
    begin: SystemTime,
    end: SystemTime,
}

impl TrialNames {
    /// Checks the names. The names of this machine are added to those of the server.
    ///
    /// # Errors
    /// A host that is neither a DNS name nor an address, and a client that is no URI.
    pub fn new(hosts: &[String], client: &str, now: SystemTime, valid_for: Duration) -> Result<Self, String> {
        let mut all: Vec<String> = Vec::new();
        for host in hosts.iter().map(String::as_str).chain(LOOPBACK) {
            let name = host.strip_prefix("*.").unwrap_or(host);
            if ServerName::try_from(name).is_err() || (name != host && name.parse::<IpAddr>().is_ok()) {
                return Err(format!(
                    "{host:?} is no name of a host: use a DNS name, *.DOMAIN, or an address without a port"
                ));
            }
            if !all.iter().any(|known| known == host) {
                all.push(host.to_owned());
            }
        }
        let uri =
            client.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
        if !uri || !client.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{client:?} is no URI: use spiffe://DOMAIN/NAME for instance"));
        }
        Ok(Self { hosts: all, client: client.to_owned(), begin: now - SKEW, end: now + valid_for })
    }

    /// Returns the first name of the server.
    pub fn host(&self) -> &str {
        self.hosts.first().map_or(LOOPBACK[0], String::as_str)
    }

    fn params(&self, common_name: &str, names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.not_before = date_time_ymd(1970, 1, 1) + since_1970(self.begin);
        params.not_after = date_time_ymd(1970, 1, 1) + since_1970(self.end);
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}

impl TrialAuthority {
    /// Makes new keys, and signs their certificates.
    ///
    /// # Errors
    /// The error of the library.
    pub fn make(names: &TrialNames) -> Result<Self, rcgen::Error> {
        let host = names.host();
        let mut params = names.params(&format!("Hero Supervisor trial CA of {host}"), Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let ca = PemPair { cert: params.self_signed(&key)?.pem(), key: key.serialize_pem() };
        let issuer = Issuer::new(params, key);

        let server = names.params(host, names.hosts.clone())?;
        let server = sign(server, ExtendedKeyUsagePurpose::ServerAuth, &issuer)?;
        let mut client = names.params("trial client", Vec::new())?;
        client.subject_alt_names.push(SanType::URI(names.client.as_str().try_into()?));
        let client = sign(client, ExtendedKeyUsagePurpose::ClientAuth, &issuer)?;
        Ok(Self { ca, server, client })
    }
}

fn sign(
    mut params: CertificateParams,
    usage: ExtendedKeyUsagePurpose,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<PemPair, rcgen::Error> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate()?;
    let cert = params.signed_by(&key, issuer)?;
    Ok(PemPair { cert: cert.pem(), key: key.serialize_pem() })
}

/// Returns the time since 1970, in whole seconds as certificates have it.
fn since_1970(moment: SystemTime) -> Duration {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(hosts: &[&str], client: &str) -> Result<TrialNames, String> {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        TrialNames::new(&hosts, client, now, Duration::from_secs(24 * 3600))
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for host in ["", "a b", "http://a", "a:1", "*.10.0.0.1", "*"] {
            assert!(names(&[host], "spiffe://a/b").unwrap_err().contains("no name of a host"), "{host}");
        }
        for uri in ["", "backend", "://a", "spiffe://", "spiffe://a b"] {
            assert!(names(&["a"], uri).unwrap_err().contains("is no URI"), "{uri}");
        }
    }

    #[test]
    fn the_names_of_this_machine_are_added_once() {
        let names =
            names(&["box.example.org", "*.example.org", "10.0.0.7", "localhost"], "spiffe://a/b").unwrap();
        let all = ["box.example.org", "*.example.org", "10.0.0.7", "localhost", "127.0.0.1", "::1"];
        assert_eq!((names.hosts.clone(), names.host()), (all.map(str::to_owned).to_vec(), "box.example.org"));
        let made = TrialAuthority::make(&names).unwrap();
        let server = &crate::pem::certificates(made.server.cert.as_bytes()).unwrap()[0];
        assert_eq!(super::super::certificate::names(server).unwrap(), all);
        let client = &crate::pem::certificates(made.client.cert.as_bytes()).unwrap()[0];
        let (uris, end) = super::super::caller_of_certificate(client).unwrap();
        assert_eq!(uris, ["spiffe://a/b"]);
        assert_eq!(end, names.end);
    }
}
