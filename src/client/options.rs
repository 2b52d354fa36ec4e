//! The options of a connection: whom a client trusts, and how it shows who it is.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Trusted certificates of a client, and its own credentials. An environment variable says what no option says:
/// `HERO_SUPERVISOR_CACERT`, `_CLIENT_CERT`, `_CLIENT_KEY`, `_TOKEN` and `_TOKEN_FILE`.
///
/// An address `HOST:PORT` is encrypted when CAs or a client certificate are given, or a token for another machine.
#[derive(Clone, Default)]
pub struct ConnectOptions {
    pub(crate) cacert: Option<PathBuf>,
    pub(crate) client_cert: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
    pub(crate) token: Option<String>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) fail_fast: bool,
}

impl ConnectOptions {
    /// Makes options that leave everything to the environment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts servers by the CAs in this file (PEM) instead of those of this machine.
    pub fn cacert(self, path: impl Into<PathBuf>) -> Self {
        Self { cacert: Some(path.into()), ..self }
    }

    /// Shows this certificate to servers that ask for one; both files are in PEM, and are read once.
    pub fn client_cert(self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { client_cert: Some(certificate.into()), client_key: Some(key.into()), ..self }
    }

    /// Sends a token with each call; never in the clear to another machine.
    pub fn token(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// Sends the token in this file with each call. The file is read again when it has changed.
    pub fn token_file(self, path: impl Into<PathBuf>) -> Self {
        Self { token_file: Some(path.into()), ..self }
    }

    /// Makes waits and watches fail at once, with the reason NO_SERVER, when no server is reached. Without it they wait for one, until
    /// their time is over. One that has answered is waited for in any case.
    pub fn fail_fast(self, fail_fast: bool) -> Self {
        Self { fail_fast, ..self }
    }

    /// Sends a header with each call, for a proxy for instance. The value of a name that ends in `-bin` is base64.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ConnectOptions")
            .field("cacert", &self.cacert)
            .field("client_cert", &self.client_cert)
            .field("client_key", &self.client_key)
            .field("token", &self.token.is_some())
            .field("token_file", &self.token_file)
            .field("headers", &names)
            .field("fail_fast", &self.fail_fast)
            .finish()
    }
}

/// A value with the name of the option or of the variable that gave it.
pub(super) struct Given<T> {
    pub(super) name: &'static str,
    pub(super) value: T,
}

/// The options, completed by the environment.
pub(super) struct Access {
    pub(super) cacert: Option<Given<PathBuf>>,
    pub(super) client_cert: Option<Given<PathBuf>>,
    pub(super) client_key: Option<Given<PathBuf>>,
    pub(super) token: Option<Given<OsString>>,
    pub(super) token_file: Option<Given<PathBuf>>,
}

impl Access {
    /// Completes options. An empty value is none. Certificate and key, token and token file are one choice each: variables count
    /// only if none of the two options is given.
    pub(super) fn of(options: &ConnectOptions, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let from = |name| variable(name).filter(|value| !value.is_empty()).map(|value| Given { name, value });
        let path = |given: Given<OsString>| Given { name: given.name, value: PathBuf::from(given.value) };
        let option = |name, value: &Option<PathBuf>| {
            let value = value.clone().filter(|value| !value.as_os_str().is_empty());
            value.map(|value| Given { name, value })
        };
        let mut access = Self {
            cacert: option("cacert", &options.cacert).or_else(|| from("HERO_SUPERVISOR_CACERT").map(path)),
            client_cert: option("client_cert", &options.client_cert),
            client_key: option("client_key", &options.client_key),
            token: options
                .token
                .clone()
                .filter(|token| !token.is_empty())
                .map(|token| Given { name: "token", value: token.into() }),
            token_file: option("token_file", &options.token_file),
        };
        if access.client_cert.is_none() && access.client_key.is_none() {
            access.client_cert = from("HERO_SUPERVISOR_CLIENT_CERT").map(path);
            access.client_key = from("HERO_SUPERVISOR_CLIENT_KEY").map(path);
        }
        if access.token.is_none() && access.token_file.is_none() {
            access.token = from("HERO_SUPERVISOR_TOKEN");
            access.token_file = from("HERO_SUPERVISOR_TOKEN_FILE").map(path);
        }
        access
    }
}
