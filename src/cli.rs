//! The command line: its commands, and those among them that call a server through the generated client.
//!
//! Standard output has data: a table, ids, or the canonical proto JSON of the response. Everything else goes to
//! standard error. Exit codes are those of [`Exit`].
//!
//! `serve`, `dev`, `doctor` and the shim are only parsed here and run by [`crate::app`], which alone joins adapters
//! to the domain.

mod access;
mod actor;
mod audit;
mod client;
mod completions;
mod config;
mod events;
mod exit;
mod health;
mod info;
mod job;
mod man;
mod output;
mod queue;
mod script_type;
mod tls;
mod token;
mod top;
mod values;
mod wait;
mod watch_loop;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use access::{AccessArgs, Header, TokenText};
pub use actor::{ActorCommand, ConformanceArgs, ScaleArgs, ScaleCommand};
pub use audit::{AuditArgs, AuditCommand, Filter as AuditFilter};
pub use client::ClientArgs;
pub use completions::CompletionsArgs;
pub use config::ConfigCommand;
pub use events::EventsArgs;
pub use exit::{Exit, Failure};
pub use health::HealthCommand;
pub use job::JobCommand;
pub use man::ManArgs;
pub use output::{Format, Output, table};
pub use queue::QueueCommand;
pub use script_type::{ScriptTypeCommand, SetArgs};
pub use tls::{TlsCommand, TlsInitArgs};
pub use token::{GrantArgs, TokenArgs, TokenCommand};
pub use top::TopArgs;
pub use values::ActorCounts;
pub use wait::WaitCommand;

use crate::config::{Env, Flags, Layers};
use crate::domain::model::script_type::ScriptType;

/// Keeps script actors alive through Zinit and gives them jobs through Redis
#[derive(Debug, Parser)]
#[command(name = "hero-supervisor", version, about, disable_help_subcommand = true, max_term_width = 110)]
#[command(after_help = EXIT_CODES)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 job failed, 2 usage, 3 not found, 4 server unreachable, 5 refused \
                          or not allowed, 124 wait timed out, 130 interrupted";

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service
    Serve(ServeCommand),
    /// Try everything out: a private Redis, demo actors and the service in one command
    Dev(DevArgs),
    /// Create, show, start, stop and scale actors
    Actor(Client<ActorCommand>),
    /// Run, submit, await, show, cancel and retry jobs
    Job(Client<JobCommand>),
    /// Show, pause, resume and purge queues
    Queue(Client<QueueCommand>),
    /// Show script types, and change their settings: scaling, health, limits
    ScriptType(Client<ScriptTypeCommand>),
    /// Create or remove actors of one type until there are N; the same as `actor scale`
    Scale(ScaleCommand),
    /// Ping actors now, and follow their health
    Health(Client<HealthCommand>),
    /// Show queues and actors at an interval
    Top(TopArgs),
    /// Wait until the server is ready, or until actors run
    Wait(Client<WaitCommand>),
    /// Show past events, and follow new ones
    Events(EventsArgs),
    /// Show the identity, the limits and the dependencies of the server
    Info(ClientArgs),
    /// Show or check the configuration of the service
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make certificates for trying out
    #[command(subcommand)]
    Tls(TlsCommand),
    /// Make, list, revoke and rotate tokens, in the file that the service reads
    Token(TokenArgs),
    /// Check the audit log, and show what is in it
    Audit(AuditArgs),
    /// Check everything that the service needs on this machine
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages of all commands into a folder
    Man(ManArgs),
    /// Prepare this process and replace it by another program; used by the process managers
    #[command(hide = true, disable_help_flag = true)]
    ExecShim(ShimArgs),
}

/// A command with verbs, and the address of the server.
#[derive(Debug, Args)]
pub struct Client<V: Subcommand> {
    /// Server and form of the output.
    #[command(flatten)]
    pub client: ClientArgs,
    /// The verb.
    #[command(subcommand)]
    pub verb: V,
}

/// The layers of the configuration that come from the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// TOML file with settings; flags and HERO_SUPERVISOR_* variables override it
    #[arg(long, value_name = "FILE", env = "HERO_SUPERVISOR_CONFIG")]
    pub config: Option<PathBuf>,
    /// One flag for each setting.
    #[command(flatten)]
    pub flags: Flags,
}

impl ServeArgs {
    /// Returns the layers: these flags, the environment of this process, the file and the defaults.
    pub fn layers(self) -> Layers {
        crate::config::Config::layers(self.config, Env::of_process(), self.flags)
    }
}

/// Options of `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeCommand {
    /// Settings of the service.
    #[command(flatten)]
    pub settings: ServeArgs,
    /// Remove actors that an earlier configuration file has declared and this one does not
    #[arg(long)]
    pub prune: bool,
}

/// Options of `dev`, which reads neither the environment nor files, so that a trial never touches the real Redis.
#[derive(Debug, Clone, Args)]
pub struct DevArgs {
    /// Number of actors to start, by script type: osis=2,python=1; empty for none [default: osis=2,sal=1,python=1, and v=1
    /// where there is a V compiler]
    #[arg(long, value_name = "TYPE=N,…", value_parser = values::actor_counts)]
    pub actors: Option<values::ActorCounts>,
    /// Folder for the data of Redis and the logs, kept after the end [default: hero-supervisor/dev in the state
    /// folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Run the actors by the Zinit at this socket instead of as child processes
    #[arg(long, value_name = "SOCK")]
    pub zinit: Option<PathBuf>,
    /// Use this Redis instead of a private one
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
    /// Serve gRPC-Web to pages of this origin, for instance http://localhost:5173; can be repeated [default: none]
    #[arg(long = "grpc-web-origin", value_name = "ORIGIN")]
    pub grpc_web_origins: Vec<String>,
    /// Address of gRPC: IP:PORT of this machine or unix:PATH; can be repeated [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<String>,
    /// File that has pid and addresses while the service answers
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<String>,
    /// Filter of the log: info or info,hero_supervisor=debug [default: warn]
    #[arg(long, value_name = "FILTER")]
    pub log_filter: Option<String>,
}

/// Options of `doctor`, which reads the same settings as `serve`.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Settings of the service.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// Folder of the actor programs [default: beside this program, and /usr/local/bin]
    #[arg(long, value_name = "DIR")]
    pub actor_dir: Option<PathBuf>,
    /// Print the user of Redis for supervisors, with the least rights, as a line of users.acl, and check nothing
    #[arg(long)]
    pub print_acl: bool,
    /// Print the user for the actors of this script type instead
    #[arg(long, value_name = "TYPE", requires = "print_acl", value_parser = ScriptType::parse)]
    pub script_type: Option<ScriptType>,
    /// Put the SHA-256 of the password in this file into the line; without it nobody can log in as the user
    #[arg(long, value_name = "FILE", requires = "print_acl")]
    pub acl_password_file: Option<PathBuf>,
}

/// The arguments of `exec-shim`, unchanged.
#[derive(Debug, Clone, Args)]
pub struct ShimArgs {
    /// Options of the shim, `--`, program and arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}

/// Runs a command that calls a server.
///
/// # Errors
/// Those of the command.
pub fn block_on(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Exit::Refused, format!("cannot start the runtime: {error}")))?;
    let ended = runtime.block_on(command);
    // A read of standard input whose result is no longer needed must not delay the exit.
    runtime.shutdown_background();
    ended
}

/// Runs a verb of `actor`.
///
/// # Errors
/// The failure of the command, with its exit code.
pub async fn actor(args: Client<ActorCommand>) -> Result<Exit, Failure> {
    actor::run(args).await
}

/// Runs a verb of `job`.
///
/// # Errors
/// The failure of the command, with its exit code.
pub async fn job(args: Client<JobCommand>) -> Result<Exit, Failure> {
    job::run(args).await
}

/// Runs a verb of `queue`.
///
/// # Errors
/// The failure of the command, with its exit code.
pub async fn queue(args: Client<QueueCommand>) -> Result<Exit, Failure> {
    queue::run(args).await
}

/// Runs a verb of `script-type`.
///
/// # Errors
/// The failure of the command, with its exit code.
pub async fn script_type(args: Client<ScriptTypeCommand>) -> Result<Exit, Failure> {
    script_type::run(args).await
}

/// Runs `scale`.
///
/// # Errors
/// The failure of the command, with its exit code.
pub async fn scale(args: ScaleCommand) -> Result<Exit, Failure> {
    actor::run_scale(args).await
}

/// Runs a verb of `health`.
///
/// # Errors
/// The failure of the command, with its exit code.
pub async fn health(args: Client<HealthCommand>) -> Result<Exit, Failure> {
    health::run(args).await
}

/// Runs `top`.
///
/// # Errors
/// The failure of the command, with its exit code.
pub async fn top(args: TopArgs) -> Result<Exit, Failure> {
    top::run(args).await
}

/// Runs a verb of `wait`.
///
/// # Errors
/// The failure of the command; the missing condition when the time was over.
pub async fn wait(args: Client<WaitCommand>) -> Result<Exit, Failure> {
    wait::run(args).await
}

/// Runs `events`.
///
/// # Errors
/// The failure of the command, with its exit code.
pub async fn events(args: EventsArgs) -> Result<Exit, Failure> {
    events::run(args).await
}

/// Runs `info`.
///
/// # Errors
/// The failure of the command, with its exit code.
pub async fn info(args: ClientArgs) -> Result<Exit, Failure> {
    info::run(args).await
}

/// Runs a verb of `config`.
///
/// # Errors
/// Every error of the configuration.
pub fn config(command: ConfigCommand) -> Result<Exit, Failure> {
    config::run(command)
}

/// Runs a verb of `tls`.
///
/// # Errors
/// Names that cannot be in a certificate, files that are there already, or that cannot be written.
pub fn tls(command: &TlsCommand) -> Result<Exit, Failure> {
    tls::run(command)
}

/// Runs a verb of `token`.
///
/// # Errors
/// A token file that cannot be used, or a token that there is not.
pub fn token(args: TokenArgs) -> Result<Exit, Failure> {
    token::run(args)
}

/// Runs a verb of `audit`.
///
/// # Errors
/// A log that cannot be read.
pub fn audit(args: AuditArgs) -> Result<Exit, Failure> {
    audit::run(args)
}

/// Prints a completion script.
///
/// # Errors
/// A closed standard output.
pub fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    completions::run(args)
}

/// Writes the manual pages.
///
/// # Errors
/// A folder or a page that cannot be written.
pub fn man(args: &ManArgs) -> Result<Exit, Failure> {
    man::run(args)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_of_commands_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_behind_the_shim_is_passed_on_untouched() {
        let args = ["hero-supervisor", "exec-shim", "--pdeathsig", "--", "/bin/echo", "--help", "-o"];
        let Command::ExecShim(shim) = Cli::try_parse_from(args).unwrap().command else {
            panic!("not the shim")
        };
        assert_eq!(shim.args, ["--pdeathsig", "--", "/bin/echo", "--help", "-o"]);
    }
}
