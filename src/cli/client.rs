//! The connection to the server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tonic::Request;
use tonic::transport::Channel;

use super::access::{AccessArgs, GLOBAL};
use super::context::{self, Context};
use super::exit::no_server;
use super::{Failure, Format, Output};
use crate::client::{Authorized, ConnectOptions, DEFAULT_ADDRESS, MAX_MESSAGE_BYTES, Refusal, prepare};
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
    /// Call the server of this context, see `hero-supervisor context`; an address that is said wins over the context that is used
    /// [env: HERO_SUPERVISOR_CONTEXT]
    #[arg(long, global = true, value_name = "CONTEXT", help_heading = GLOBAL, conflicts_with = "server")]
    pub server_context: Option<String>,
    /// Trusted certificates, and the credentials of the caller.
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

    /// Returns the address of the server and the options of the connection. The address is that of `--server`, of
    /// `--server-context`, of the variable, of the context that is used, or the default.
    fn place(&self) -> Result<(String, ConnectOptions), Failure> {
        let options = self.access.options();
        let said = self.server.clone().or_else(|| match self.server_context {
            Some(_) => None,
            None => said(SERVER_VARIABLE),
        });
        if let Some(server) = said {
            return Ok((server, options));
        }
        Ok(match context::in_use(self.server_context.as_deref())? {
            Some(context) => (context.server.clone(), filled(options, context)),
            None => (DEFAULT_ADDRESS.to_owned(), options),
        })
    }

    /// Returns what a context keeps of these options.
    ///
    /// # Errors
    /// No address, an option that a context does not keep, and a file that cannot be used.
    pub(super) fn as_context(&self) -> Result<Context, Failure> {
        let server = self.server.clone().or_else(|| said(SERVER_VARIABLE));
        let server = server.ok_or_else(|| Failure::usage("say the address of the context with --server"))?;
        let options = self.access.options();
        if options.token.is_some() || !options.headers.is_empty() {
            let message =
                "a context keeps neither tokens nor headers: put the token into a file and use --token-file";
            return Err(Failure::usage(message));
        }
        prepare(&server, &options, |_variable| None).map_err(refused)?;
        let whole = |path: Option<PathBuf>| {
            let whole =
                path.map(|path| std::path::absolute(&path).map_err(|error| (path, error))).transpose();
            whole.map_err(|(path, error)| Failure::usage(format!("{}: {error}", path.display())))
        };
        Ok(Context {
            server,
            cacert: whole(options.cacert)?,
            client_cert: whole(options.client_cert)?,
            client_key: whole(options.client_key)?,
            token_file: whole(options.token_file)?,
        })
    }

    /// Opens a connection to the server, for any service.
    pub(super) async fn transport(&self) -> Result<Transport, Failure> {
        let (server, options) = self.place()?;
        let prepared = prepare(&server, &options, |name| std::env::var_os(name));
        let (endpoint, credentials) = prepared.map_err(refused)?;
        let channel = endpoint.connect().await.map_err(|error| no_server(&server, &error))?;
        Ok(Authorized::new(channel, credentials))
    }
}

/// Returns the value of a variable that is set and not empty.
fn said(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// Fills the options that neither the line nor a variable says with those of a context.
fn filled(mut options: ConnectOptions, context: Context) -> ConnectOptions {
    let unsaid = |names: &[&str]| names.iter().all(|name| said(&format!("HERO_SUPERVISOR_{name}")).is_none());
    if options.cacert.is_none() && unsaid(&["CACERT"]) {
        options.cacert = context.cacert;
    }
    if options.client_cert.is_none() && options.client_key.is_none() && unsaid(&["CLIENT_CERT", "CLIENT_KEY"])
    {
        (options.client_cert, options.client_key) = (context.client_cert, context.client_key);
    }
    if options.token.is_none() && options.token_file.is_none() && unsaid(&["TOKEN", "TOKEN_FILE"]) {
        options.token_file = context.token_file;
    }
    options
}

/// Makes the failure of an address or an option that cannot be used.
fn refused(refusal: Refusal) -> Failure {
    Failure::usage(match refusal.name {
        "" => refusal.message,
        variable if variable.starts_with("HERO_") => refusal.to_string(),
        option => format!("--{}: {}", option.replace('_', "-"), refusal.message),
    })
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
