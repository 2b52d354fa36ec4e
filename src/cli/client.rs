//! The way to the server.

use std::time::Duration;

use clap::Args;
use tonic::Request;
use tonic::transport::Channel;

use super::exit::SERVER_HINT;
use super::{Exit, Failure, Format, Output};
use crate::client::{MAX_MESSAGE_BYTES, deepest, endpoint};
use crate::proto::supervisor_client::SupervisorClient;

/// For calls that do not wait for work to be done.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// What a call that waits is given beyond its wait, so that the server answers and not our own timer.
const WAIT_MARGIN: Duration = Duration::from_secs(10);

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
    /// Give a terminal results and lines of scripts as they are, control characters included; others always get them so
    #[arg(long, global = true)]
    pub raw: bool,
}

impl ClientArgs {
    /// How to print.
    pub(super) fn printer(&self) -> Output {
        Output::new(self.output, self.quiet).with_raw(self.raw)
    }

    /// Connects to the server.
    pub(super) async fn connect(&self) -> Result<SupervisorClient<Channel>, Failure> {
        let channel = self.channel().await?;
        Ok(SupervisorClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Connects to the server, for whatever is spoken then.
    pub(super) async fn channel(&self) -> Result<Channel, Failure> {
        let endpoint = endpoint(&self.server).map_err(|why| {
            Failure::usage(format!(
                "{:?} is not a server ({why}): use http://HOST:PORT or unix:PATH",
                self.server
            ))
        })?;
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
