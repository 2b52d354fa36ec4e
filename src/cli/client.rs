//! The connection to the server.

use std::time::Duration;

use clap::Args;
use tonic::Request;
use tonic::transport::Channel;

use super::access::{AccessArgs, GLOBAL};
use super::exit::no_server;
use super::{Failure, Format, Output};
use crate::client::{Authorized, DEFAULT_ADDRESS, MAX_MESSAGE_BYTES, prepare};
use crate::proto::supervisor_client::SupervisorClient;

/// The way to a server, with what every call carries.
pub(super) type Transport = Authorized<Channel>;
/// The calls of a server.
pub(super) type Server = SupervisorClient<Transport>;

/// Deadline of calls that do not wait for work.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Time between the end of a wait and the deadline of its call, so that the server answers first.
const WAIT_MARGIN: Duration = Duration::from_secs(10);

/// Options of all commands that call a server: its address, and the form of the output.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// Address of the server: HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:/PATH. HOST:PORT is encrypted with --cacert or
    /// --client-cert, and with a token for another machine [env: HERO_SUPERVISOR_SERVER] [default: 127.0.0.1:50051]
    #[arg(long, global = true, value_name = "ADDR", help_heading = GLOBAL)]
    pub server: Option<String>,
    /// Whom to trust, and who calls.
    #[command(flatten)]
    pub access: AccessArgs,
    /// Form of the output: a table, or the response as JSON or YAML
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, help_heading = GLOBAL)]
    pub output: Format,
    /// Print ids only
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
    /// Show tables with all columns, wider than the terminal if need be; pipes always get them so
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub wide: bool,
    /// Write results and log lines to a terminal unescaped, control characters included; pipes always get them so
    #[arg(long, global = true, help_heading = GLOBAL, hide_short_help = true)]
    pub raw: bool,
}

/// The variable with the address of the server.
const SERVER_VARIABLE: &str = "HERO_SUPERVISOR_SERVER";

impl ClientArgs {
    /// Returns the output.
    pub(super) fn printer(&self) -> Output {
        Output::new(self.output, self.quiet).with_raw(self.raw).with_wide(self.wide)
    }

    /// Connects to the server.
    pub(super) async fn connect(&self) -> Result<Server, Failure> {
        let transport = self.transport().await?;
        Ok(SupervisorClient::new(transport).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Returns the address of the server: that of the option, of the variable, or the default.
    fn address(&self) -> String {
        let variable = || std::env::var(SERVER_VARIABLE).ok().filter(|server| !server.is_empty());
        self.server.clone().or_else(variable).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned())
    }

    /// Opens a connection to the server, for any service.
    pub(super) async fn transport(&self) -> Result<Transport, Failure> {
        let server = self.address();
        let prepared = prepare(&server, &self.access.options(), |name| std::env::var_os(name));
        let (endpoint, credentials) = prepared.map_err(|refusal| {
            Failure::usage(match refusal.name {
                "" => refusal.message,
                variable if variable.starts_with("HERO_") => refusal.to_string(),
                option => format!("--{}: {}", option.replace('_', "-"), refusal.message),
            })
        })?;
        let channel = endpoint.connect().await.map_err(|error| no_server(&server, &error))?;
        Ok(Authorized::new(channel, credentials))
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
