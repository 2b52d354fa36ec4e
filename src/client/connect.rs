//! Addresses and channels of servers.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::access::{Refusal, credentials};
use super::address::{Address, Way};
use super::authorized::Credentials;
use super::connection::Connection;
use super::error::deepest;
use super::options::Access;
use super::wait::Destination;
use super::{Client, ClientError, ConnectOptions};

/// Limit of a connection attempt; a server in the same network answers within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval of HTTP/2 pings, which detect a lost server during a long wait; servers refuse shorter intervals.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// Time within which the server must answer a ping.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

impl Client {
    /// Makes a client of an address and the environment; [`Client::connect_with`] of all options.
    ///
    /// # Errors
    /// Those of [`Client::connect_with`].
    pub fn connect(address: &str) -> Result<Self, ClientError> {
        Self::connect_with(address, &ConnectOptions::new())
    }

    /// Makes a client. The connection is opened by the first call, and again whenever it is lost.
    ///
    /// The address is `HOST:PORT`, `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`; an empty one stands for that in
    /// the environment variable HERO_SUPERVISOR_SERVER, and without it for 127.0.0.1:50051. The connection is encrypted with
    /// `https`, and with `HOST:PORT` when CAs or a client certificate are given, or a token for another machine. Needs a Tokio
    /// runtime.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for any other address, for a file that cannot be used, and for a token that would be sent in the clear
    /// to another machine.
    pub fn connect_with(address: &str, options: &ConnectOptions) -> Result<Self, ClientError> {
        let (endpoint, credentials) = prepare(address, options, |name| std::env::var_os(name))
            .map_err(|refusal| ClientError::new(Code::InvalidArgument, refusal.to_string()))?;
        let address =
            named(address, |name| std::env::var_os(name)).map(|address| address.text).unwrap_or_default();
        let connection = Connection::new(endpoint.connect_lazy(), credentials);
        Ok(Self { connection, way: Arc::new(Destination { address, fail_fast: options.fail_fast }) })
    }

    /// Makes a client on a channel of the caller. Nothing is added to its calls.
    pub fn with_channel(channel: Channel) -> Self {
        let way = Destination { address: "the other end of this channel".to_owned(), fail_fast: false };
        Self { connection: Connection::new(channel, Credentials::default()), way: Arc::new(way) }
    }
}

/// Reads an address; an empty one stands for that of the environment.
fn named(address: &str, variable: impl Fn(&str) -> Option<OsString>) -> Result<Address, String> {
    let server = |name: &str| {
        let server = variable(name).filter(|server| !server.is_empty());
        server.map(|server| server.to_string_lossy().into_owned())
    };
    Address::parse(address, server)
}

/// Returns the endpoint of an address, and what its calls carry.
///
/// # Errors
/// The fault of the address or of an option.
pub(crate) fn prepare(
    address: &str,
    options: &ConnectOptions,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(Endpoint, Credentials), Refusal> {
    let address = named(address, &variable).map_err(|why| Refusal::new("", why))?;
    let access = Access::of(options, variable);
    access.check_pair()?;
    let encrypted = access.encrypts(&address);
    let url = match (address.way, encrypted) {
        (Way::Unix, _) => format!("unix://{}", address.place),
        (Way::Plain | Way::Tls | Way::Open, true) => format!("https://{}", address.place),
        (Way::Plain | Way::Tls | Way::Open, false) => format!("http://{}", address.place),
    };
    let refused =
        |error: tonic::transport::Error| Refusal::new("", format!("{}: {}", address.text, deepest(&error)));
    let endpoint = Endpoint::from_shared(url).map_err(refused)?;
    let endpoint = match encrypted {
        true => endpoint.tls_config(access.tls()?).map_err(|error| match access.cacert {
            None if deepest(&error).contains("native certs") => Refusal::new(
                "cacert",
                "this machine has no CAs that can be read: name a PEM file with those of the server",
            ),
            None | Some(_) => refused(error),
        })?,
        false => endpoint,
    };
    let token = access.shown_token(&address)?;
    let endpoint = endpoint
        .user_agent(concat!("hero-supervisor-rust/", env!("CARGO_PKG_VERSION")))
        .map_err(refused)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    Ok((endpoint, credentials(&options.headers, token)?))
}

#[cfg(test)]
mod tests;
