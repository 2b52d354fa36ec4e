//! The way to the server.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use super::exit::SERVER_HINT;
use super::{Exit, Failure, Format, Output};
use crate::client::deepest;
use crate::proto::supervisor_client::SupervisorClient;

/// A server on this machine or in this network answers within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For calls that do not wait for work to be done.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// What a call that waits is given beyond its wait, so that the server answers and not our own timer.
const WAIT_MARGIN: Duration = Duration::from_secs(10);
/// A server that vanished in a long wait is noticed by pings this far apart …
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// … that it does not answer for this long.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// A page of jobs may carry results of 1 MiB each.
const MAX_MESSAGE_BYTES: usize = 256 * 1024 * 1024;

/// Where the server is, and how to print.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// The server: http://HOST:PORT or unix:PATH
    #[arg(
        long,
        global = true,
        value_name = "ADDR",
        env = "HERO_SUPERVISOR_SERVER",
        default_value = "http://127.0.0.1:50051"
    )]
    pub server: String,
    /// How to print: a table, or the JSON of the response
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// Print ids only
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

impl ClientArgs {
    /// How to print.
    pub(super) fn printer(&self) -> Output {
        Output::new(self.output, self.quiet)
    }

    /// Connects to the server.
    pub(super) async fn connect(&self) -> Result<SupervisorClient<Channel>, Failure> {
        let channel = self.channel().await?;
        Ok(SupervisorClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Connects to the server, for whatever is spoken then.
    pub(super) async fn channel(&self) -> Result<Channel, Failure> {
        let endpoint = endpoint(&self.server)?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        endpoint.connect().await.map_err(|error| {
            let cause = deepest(&error);
            let message = format!("no server answers at {}: {cause}\n  hint: {SERVER_HINT}", self.server);
            Failure::new(Exit::Unreachable, message)
        })
    }
}

/// A call that answers at once.
pub(super) fn call<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

/// A call that may wait this long for work to be done.
pub(super) fn waiting_call<T>(message: T, wait: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(wait.saturating_add(WAIT_MARGIN));
    request
}

fn endpoint(server: &str) -> Result<Endpoint, Failure> {
    let refused = |why: &str| {
        Failure::usage(format!("{server:?} is not a server ({why}): use http://HOST:PORT or unix:PATH"))
    };
    if let Some(path) = server.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = std::path::absolute(Path::new(path)).map_err(|error| refused(&error.to_string()))?;
        return Endpoint::from_shared(format!("unix://{}", path.display()))
            .map_err(|error| refused(&error.to_string()));
    }
    let url = match server.split_once("://") {
        Some(("http", _)) => server.to_owned(),
        Some((scheme, _)) => return Err(refused(&format!("{scheme} is not spoken"))),
        None => format!("http://{server}"),
    };
    Endpoint::from_shared(url).map_err(|error| refused(&deepest(&error)))
}
