//! Login of a connection to Redis, and TLS in both directions. The files are read anew for each connection, so that a
//! rotated password or certificate needs no restart.

use std::error::Error;
use std::path::{Path, PathBuf};

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError, TlsCertificates,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::cluster::{Address, ClusterUrl};
use super::sentinel::{Primary, SentinelUrl};
use crate::private_file::{PrivateFileError, read_private, read_public};

/// Settings of a connection beside the URL. Without any of them, the URL is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisAccess {
    /// The user.
    pub user: Option<String>,
    /// Path of the file with the password, for its owner alone.
    pub password_file: Option<PathBuf>,
    /// Path of the CAs (PEM) that may have signed the certificate of Redis; without it the public CAs.
    pub tls_ca: Option<PathBuf>,
    /// Path of the certificate (PEM) that is shown to Redis.
    pub tls_cert: Option<PathBuf>,
    /// Path of its private key (PEM), for its owner alone.
    pub tls_key: Option<PathBuf>,
    /// The user of the Sentinels.
    pub sentinel_user: Option<String>,
    /// Path of the file with the password of the Sentinels, for its owner alone.
    pub sentinel_password_file: Option<PathBuf>,
}

const URL: &str = "redis_url";
const USER: &str = "redis_user";
const PASSWORD_FILE: &str = "redis_password_file";
const TLS_CA: &str = "redis_tls_ca";
const TLS_CERT: &str = "redis_tls_cert";
const TLS_KEY: &str = "redis_tls_key";
const SENTINEL_USER: &str = "redis_sentinel_user";
const SENTINEL_PASSWORD_FILE: &str = "redis_sentinel_password_file";

/// The error of a setting that cannot be used. It never has a password.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {what}")]
pub struct AccessError {
    /// The setting.
    pub setting: &'static str,
    /// The fault, and what to do.
    pub what: String,
}

fn wrong(setting: &'static str, what: impl Into<String>) -> AccessError {
    AccessError { setting, what: what.into() }
}

fn unread(setting: &'static str) -> impl Fn(PrivateFileError) -> AccessError {
    move |error| wrong(setting, error.to_string())
}

impl RedisAccess {
    /// Checks the URL and the files together.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn check(&self, url: &str) -> Result<(), AccessError> {
        let info =
            |info: Result<ConnectionInfo, RedisError>| info.map_err(|error| wrong(URL, error.to_string()));
        let Some(sentinels) = self.sentinels(url)? else {
            let unused = [
                (SENTINEL_USER, self.sentinel_user.is_some()),
                (SENTINEL_PASSWORD_FILE, self.sentinel_password_file.is_some()),
            ];
            if let Some((setting, _)) = unused.iter().find(|(_, is_set)| *is_set) {
                let what =
                    "has no effect without Sentinels: use redis+sentinel://HOST:26379,…/NAME as redis_url";
                return Err(wrong(setting, what));
            }
            return match self.cluster(url)? {
                Some(cluster) => self.client_of(info(cluster.server("localhost", 1))?).map(drop),
                None => self.client(url).map(drop),
            };
        };
        self.sentinel_client(info(sentinels.sentinel("localhost", 1))?)?;
        self.client_of(info(sentinels.server("localhost", 1))?).map(drop)
    }

    /// The Sentinels that a URL names; None if it names a server.
    pub(super) fn sentinels(&self, url: &str) -> Result<Option<SentinelUrl>, AccessError> {
        SentinelUrl::parse(url).map_err(|what| wrong(URL, what))
    }

    /// The Cluster whose servers a URL names; None if it names none.
    pub(super) fn cluster(&self, url: &str) -> Result<Option<ClusterUrl>, AccessError> {
        ClusterUrl::parse(url).map_err(|what| wrong(URL, what))
    }

    /// Makes a client of what the files have now.
    pub(super) fn client(&self, url: &str) -> Result<Client, AccessError> {
        self.client_of(url.into_connection_info().map_err(|error| wrong(URL, error.to_string()))?)
    }

    /// Makes a client of a server of a Cluster.
    pub(crate) fn client_in_cluster(&self, url: &str, at: &Address) -> Result<Client, AccessError> {
        let cluster = self.cluster(url)?.ok_or_else(|| wrong(URL, "names no Cluster"))?;
        let server = cluster.server(&at.host, at.port);
        self.client_of(server.map_err(|error| wrong(URL, error.to_string()))?)
    }

    /// Makes a client of the primary that Sentinels have named, or of the server of the URL.
    pub(crate) fn client_at(&self, url: &str, primary: Option<&Primary>) -> Result<Client, AccessError> {
        match (self.sentinels(url)?, primary) {
            (Some(sentinels), Some(Primary { host, port, .. })) => {
                let server = sentinels.server(host, *port);
                self.client_of(server.map_err(|error| wrong(URL, error.to_string()))?)
            }
            (Some(_), None) => Err(wrong(URL, "the Sentinels have named no primary")),
            (None, _) => self.client(url),
        }
    }

    /// Makes a client of a server.
    pub(super) fn client_of(&self, server: ConnectionInfo) -> Result<Client, AccessError> {
        self.open(self.log_in(server)?)
    }

    /// Makes a client of a Sentinel.
    pub(super) fn sentinel_client(&self, sentinel: ConnectionInfo) -> Result<Client, AccessError> {
        let mut login = sentinel.redis_settings().clone();
        match (&self.sentinel_user, &self.sentinel_password_file) {
            (Some(_), None) => {
                let what = "has no effect without a password: set redis_sentinel_password_file";
                return Err(wrong(SENTINEL_USER, what));
            }
            (user, Some(path)) => {
                login = login.set_password(read_password(SENTINEL_PASSWORD_FILE, path)?);
                if let Some(user) = user {
                    login = login.set_username(user);
                }
            }
            (None, None) => {}
        }
        self.open(sentinel.set_redis_settings(login))
    }

    fn open(&self, info: ConnectionInfo) -> Result<Client, AccessError> {
        match self.certificates(info.addr())? {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
        .map_err(|error| wrong(URL, error.to_string()))
    }

    fn log_in(&self, info: ConnectionInfo) -> Result<ConnectionInfo, AccessError> {
        let mut login = info.redis_settings().clone();
        if let Some(user) = &self.user {
            if login.username().is_some() {
                return Err(wrong(USER, "redis_url names a user as well: remove one of them"));
            }
            if login.password().is_none() && self.password_file.is_none() {
                return Err(wrong(USER, "has no effect without a password: set redis_password_file"));
            }
            login = login.set_username(user);
        }
        if let Some(path) = &self.password_file {
            if login.password().is_some() {
                return Err(wrong(PASSWORD_FILE, "redis_url has a password as well: remove one of them"));
            }
            login = login.set_password(password_of(path)?);
        }
        Ok(info.set_redis_settings(login))
    }

    fn certificates(&self, addr: &ConnectionAddr) -> Result<Option<TlsCertificates>, AccessError> {
        let files = [(TLS_CA, &self.tls_ca), (TLS_CERT, &self.tls_cert), (TLS_KEY, &self.tls_key)];
        let Some((setting, _path)) = files.iter().find(|(_setting, path)| path.is_some()) else {
            return Ok(None);
        };
        let is_tls = matches!(addr, ConnectionAddr::TcpTls { .. });
        if !is_tls {
            return Err(wrong(setting, "has no effect without TLS: use rediss://HOST:PORT as redis_url"));
        }
        let client_tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => {
                Some(ClientTlsConfig { client_cert: chain_of(TLS_CERT, cert)?, client_key: key_of(key)? })
            }
            (None, None) => None,
            (Some(_), None) => {
                return Err(wrong(TLS_KEY, "is missing: name the private key of redis_tls_cert"));
            }
            (None, Some(_)) => {
                return Err(wrong(
                    TLS_CERT,
                    "is missing: name the certificate that redis_tls_key belongs to",
                ));
            }
        };
        let root_cert = self.tls_ca.as_deref().map(|path| chain_of(TLS_CA, path)).transpose()?;
        Ok(Some(TlsCertificates { client_tls, root_cert }))
    }

    /// Explains the error of a connection that could not be opened, if a setting is at fault.
    pub(crate) fn explain(&self, url: &str, error: &RedisError) -> Option<String> {
        if !url.starts_with("rediss") {
            return None;
        }
        let said = all_words(error);
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let hint = if says(&["UnknownIssuer", "CaUsedAsEndEntity"]) {
            match &self.tls_ca {
                Some(path) => {
                    format!("{TLS_CA}: no CA in {} has signed the certificate of Redis", path.display())
                }
                None => format!(
                    "{TLS_CA} is not set, and no public CA has signed the certificate of Redis: name its CA"
                ),
            }
        } else if says(&["not valid for name", "NotValidForName"]) {
            format!("{URL}: the certificate of Redis is not for this host")
        } else if says(&["KeyMismatch"]) {
            format!("{TLS_KEY} is not the key of {TLS_CERT}: name the pair that belongs together")
        } else if let Some(path) = &self.tls_cert
            && says(&[
                "UnknownCA",
                "BadCertificate",
                "CertificateUnknown",
                "CertificateExpired",
                "DecryptError",
            ])
        {
            format!("{TLS_CERT}: Redis does not accept the certificate in {}", path.display())
        } else if self.tls_cert.is_none()
            && (says(&["CertificateRequired", "HandshakeFailure"]) || is_cut(error))
        {
            format!(
                "{TLS_CERT}: Redis seems to want a certificate of its clients: set {TLS_CERT} and {TLS_KEY}"
            )
        } else {
            return None;
        };
        Some(format!("{hint} ({error})"))
    }
}

/// Returns true if the other side has ended the connection. Its last words, that a certificate is missing, can be lost by that.
fn is_cut(error: &RedisError) -> bool {
    error.is_connection_dropped() || error.is_unrecoverable_error() && error.is_io_error()
}

/// The words of an error and of all its causes.
fn all_words(error: &RedisError) -> String {
    let mut said = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    said
}

/// Reads a password: the text of the file without the line end behind it.
///
/// # Errors
/// A file that cannot be read, that others can read, or that has no password.
pub fn password_of(path: &Path) -> Result<String, AccessError> {
    read_password(PASSWORD_FILE, path)
}

fn read_password(setting: &'static str, path: &Path) -> Result<String, AccessError> {
    let bytes = read_private(path).map_err(unread(setting))?;
    let wrong = |what: &str| wrong(setting, format!("{} {what}", path.display()));
    let text = String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8"))?;
    let password =
        text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if password.is_empty() {
        return Err(wrong("is empty: it must have the password"));
    }
    if password.contains(['\n', '\r', '\0']) {
        return Err(wrong("has more than one line: it must have the password alone"));
    }
    Ok(password.to_owned())
}

fn chain_of(setting: &'static str, path: &Path) -> Result<Vec<u8>, AccessError> {
    let pem = read_public(path).map_err(unread(setting))?;
    let wrong = |what: String| wrong(setting, format!("{} {what}", path.display()));
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let none = "has no certificate: it must have blocks of BEGIN CERTIFICATE (PEM)";
    match all {
        Ok(all) if all.is_empty() => Err(wrong(none.to_owned())),
        Ok(_certificates) => Ok(pem),
        Err(error) => Err(wrong(format!("is not PEM: {error}"))),
    }
}

fn key_of(path: &Path) -> Result<Vec<u8>, AccessError> {
    let pem = read_private(path).map_err(unread(TLS_KEY))?;
    match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(_key) => Ok(pem),
        Err(error) => {
            let what =
                "has no private key without a passphrase: it must have a block of BEGIN PRIVATE KEY (PEM)";
            Err(wrong(TLS_KEY, format!("{} {what}: {error}", path.display())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn refused(url: &str, access: &RedisAccess) -> String {
        access.check(url).unwrap_err().to_string()
    }

    fn file(dir: &Path, text: &str, mode: u32) -> PathBuf {
        let path = dir.join("file");
        drop(std::fs::remove_file(&path));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_password_is_the_line_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        for (text, password) in [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" a b ", " a b ")] {
            let password_file = Some(file(dir.path(), text, 0o600));
            let access =
                RedisAccess { password_file, user: Some("ops".to_owned()), ..RedisAccess::default() };
            let client = access.client("redis://h").unwrap();
            let login = client.get_connection_info().redis_settings();
            assert_eq!((login.username(), login.password()), (Some("ops"), Some(password)));
        }
        for (text, mode, told) in [
            ("", 0o600, "is empty"),
            ("\n", 0o600, "is empty"),
            ("s3cret\nmore", 0o600, "more than one line"),
            ("s3cret", 0o644, "chmod 600"),
        ] {
            let access =
                RedisAccess { password_file: Some(file(dir.path(), text, mode)), ..RedisAccess::default() };
            let refused = refused("redis://h", &access);
            assert!(refused.starts_with("redis_password_file: ") && refused.contains(told), "{refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "s3cret", 0o600);
        let password = RedisAccess { password_file: Some(path.clone()), ..RedisAccess::default() };
        assert!(refused("redis://:pw@h", &password).contains("redis_url has a password as well"));
        let user = RedisAccess { user: Some("ops".to_owned()), ..RedisAccess::default() };
        assert!(refused("redis://h", &user).contains("set redis_password_file"));
        assert!(refused("redis://me:pw@h", &user).contains("names a user as well"));
        let ca = RedisAccess { tls_ca: Some(path.clone()), ..RedisAccess::default() };
        assert!(refused("redis://h", &ca).starts_with("redis_tls_ca: has no effect without TLS"));
        assert!(refused("rediss://h", &ca).contains("has no certificate"));
        let cert = RedisAccess { tls_cert: Some(path.clone()), ..RedisAccess::default() };
        assert!(refused("rediss://h", &cert).starts_with("redis_tls_key: is missing"));
        let key = RedisAccess { tls_key: Some(path.clone()), ..RedisAccess::default() };
        assert!(refused("rediss://h", &key).starts_with("redis_tls_cert: is missing"));
        let sentinel_user = Some("ops".to_owned());
        let user = RedisAccess { sentinel_user, ..RedisAccess::default() };
        let with = "redis+sentinel://h/main";
        assert!(refused(with, &user).starts_with("redis_sentinel_user: has no effect without a password"));
        let sentinel = RedisAccess { sentinel_password_file: Some(path), ..user };
        assert!(refused("redis://h", &sentinel).starts_with("redis_sentinel_user: has no effect without S"));
        sentinel.check(with).unwrap();
        assert!(refused("redis+sentinel://h", &sentinel).starts_with("redis_url: does not say which"));
    }
}
