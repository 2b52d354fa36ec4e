//! The connection to the server.

use std::time::Duration;

use clap::Args;
use tonic::Request;
use tonic::transport::Channel;

use super::exit::SERVER_HINT;
use super::{Exit, Failure, Format, Output};
use crate::client::{MAX_MESSAGE_BYTES, deepest, endpoint};
use crate::proto::supervisor_client::SupervisorClient;

/// Deadline of calls that do not wait for work.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Time between the end of a wait and the deadline of its call, so that the server answers first.
const WAIT_MARGIN: Duration = Duration::from_secs(10);

/// Address of the server, and form of the output.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// Address of the server: http://HOST:PORT or unix:PATH
    #[arg(
        long,
        global = true,
        value_name = "ADDR",
        env = "HERO_SUPERVISOR_SERVER",
        default_value = "http://127.0.0.1:50051"
    )]
    pub server: String,
    /// Form of the output: a table, or the JSON of the response
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// Print ids only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Write results and log lines to a terminal unescaped, control characters included; pipes always get them so
    #[arg(long, global = true)]
    pub raw: bool,
}

impl ClientArgs {
    /// Returns the output.
    pub(super) fn printer(&self) -> Output {
        Output::new(self.output, self.quiet).with_raw(self.raw)
    }

    /// Connects to the server.
    pub(super) async fn connect(&self) -> Result<SupervisorClient<Channel>, Failure> {
        let channel = self.channel().await?;
        Ok(SupervisorClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Opens a channel to the server, for any service.
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

/// Makes the request of a call that answers at once.
pub(super) fn call<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

/// Makes the request of a call that may wait for work.
pub(super) fn waiting_call<T>(message: T, wait: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(wait.saturating_add(WAIT_MARGIN));
    request
}
