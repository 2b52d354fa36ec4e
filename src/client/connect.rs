//! The way to the server.

use std::path::Path;
use std::time::Duration;

use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::{Client, ClientError};
use crate::proto::supervisor_client::SupervisorClient;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The server answers pings that are no faster than this.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// A page of jobs may carry results of 1 MiB each.
const MAX_MESSAGE_BYTES: usize = 256 * 1024 * 1024;

impl Client {
    /// Prepares a client; the connection is made with the first call, and made again whenever it is lost.
    ///
    /// `target` is `HOST:PORT`, `http://HOST:PORT` or `unix:PATH`. The connection is not encrypted: the server listens on
    /// its own machine only unless told otherwise. Needs a Tokio runtime.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when `target` is none of these.
    pub fn connect(target: &str) -> Result<Self, ClientError> {
        let endpoint = endpoint(target)?
            .user_agent(concat!("hero-supervisor-rust/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| ClientError::new(Code::Internal, error.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        Ok(Self::with_channel(endpoint.connect_lazy()))
    }

    /// A client on a channel of the caller's own, with TLS for instance.
    pub fn with_channel(channel: Channel) -> Self {
        Self { calls: SupervisorClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES) }
    }
}

fn endpoint(target: &str) -> Result<Endpoint, ClientError> {
    let refused = |why: &str| {
        let message =
            format!("{target:?} is not a server ({why}): use HOST:PORT, http://HOST:PORT or unix:PATH");
        ClientError::new(Code::InvalidArgument, message)
    };
    let url = match target.strip_prefix("unix:") {
        Some(path) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            let path = std::path::absolute(Path::new(path)).map_err(|error| refused(&error.to_string()))?;
            format!("unix://{}", path.display())
        }
        None => match target.split_once("://") {
            Some(("http", _)) => target.to_owned(),
            Some((scheme, _)) => return Err(refused(&format!("{scheme} is not spoken"))),
            None => format!("http://{target}"),
        },
    };
    Endpoint::from_shared(url).map_err(|error| refused(&error.to_string()))
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
