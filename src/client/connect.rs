//! Addresses and channels of servers.

use std::path::Path;
use std::time::Duration;

use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::connection::Connection;
use super::error::deepest;
use super::{Client, ClientError};

/// Limit of a connection attempt; a server in the same network answers within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval of HTTP/2 pings, which detect a lost server during a long wait; servers refuse shorter intervals.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// Time within which the server must answer a ping.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

impl Client {
    /// Makes a client. The connection is opened by the first call, and again whenever it is lost.
    ///
    /// `target` is `HOST:PORT`, `http://HOST:PORT` or `unix:PATH`. The connection is not encrypted: by default the
    /// server listens on its own machine only. Needs a Tokio runtime.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for any other `target`.
    pub fn connect(target: &str) -> Result<Self, ClientError> {
        let endpoint = endpoint(target).map_err(|why| {
            let message =
                format!("{target:?} is not a server ({why}): use HOST:PORT, http://HOST:PORT or unix:PATH");
            ClientError::new(Code::InvalidArgument, message)
        })?;
        Ok(Self::with_channel(endpoint.connect_lazy()))
    }

    /// Makes a client on a channel of the caller, for instance one with TLS.
    pub fn with_channel(channel: Channel) -> Self {
        Self { connection: Connection::new(channel) }
    }
}

/// Returns the endpoint of a target, or the fault of the target.
pub(crate) fn endpoint(target: &str) -> Result<Endpoint, String> {
    let url = match target.strip_prefix("unix:") {
        Some(path) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            let path = std::path::absolute(Path::new(path)).map_err(|error| error.to_string())?;
            format!("unix://{}", path.display())
        }
        None => match target.split_once("://") {
            Some(("http", _)) => target.to_owned(),
            Some((scheme, _)) => return Err(format!("{scheme} is not spoken")),
            None => format!("http://{target}"),
        },
    };
    let endpoint = Endpoint::from_shared(url).map_err(|error| deepest(&error))?;
    Ok(endpoint
        .user_agent(concat!("hero-supervisor-rust/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| deepest(&error))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_target_is_an_address_a_url_or_a_path() {
        for right in
            ["127.0.0.1:50051", "http://supervisor:50051", "unix:/run/hero.sock", "unix:///run/hero.sock"]
        {
            assert!(Client::connect(right).is_ok(), "{right}");
        }
        for wrong in ["ftp://x", "", "a b"] {
            let refused = Client::connect(wrong).expect_err(wrong);
            assert_eq!(refused.code, Code::InvalidArgument);
            assert!(refused.message.contains("unix:PATH"), "{refused}");
        }
    }
}
