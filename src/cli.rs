//! The command line: its commands, and those among them that call a server through the generated client.
//!
//! Standard output has data: a table, ids, or the canonical proto JSON of the response. Everything else goes to
//! standard error. Exit codes are those of [`Exit`].
//!
//! The commands of [`ServiceCommand`] are only parsed here and run by [`crate::app`], which alone joins adapters to the
//! domain.

mod access;
mod access_command;
mod actor;
mod audit;
mod backup;
mod client;
mod complete;
mod completions;
mod config;
mod confirm;
mod context;
mod dashboard;
mod events;
mod examples;
mod exit;
mod fields;
mod health;
mod info;
mod job;
mod man;
mod node;
mod output;
mod parse;
mod queue;
mod script_type;
mod service;
mod table;
mod tls;
mod token;
mod top;
mod usage;
mod values;
mod wait;
mod watch_loop;
mod yaml;

use clap::{Parser, Subcommand};

pub use access::{AccessArgs, Header, TokenText};
pub use access_command::{AccessCommand, AuditLines};
pub use actor::{ActorCommand, ConformanceArgs, ScaleArgs};
pub use audit::{AuditArgs, AuditCommand, Filter as AuditFilter};
pub use backup::{BackupArgs, RestoreArgs};
pub use client::ClientArgs;
pub use completions::{CompletionsArgs, answer_shells};
pub use config::ConfigCommand;
pub use context::ContextCommand;
pub use dashboard::DashboardArgs;
pub use events::EventsArgs;
pub use exit::{Exit, Failure};
pub use health::HealthCommand;
pub use job::JobCommand;
pub use man::ManArgs;
pub use node::NodeCommand;
pub use output::{Format, Output, print_notice, table};
pub use parse::{command, parse};
pub use queue::QueueCommand;
pub use script_type::{ScriptTypeCommand, SetArgs};
pub use service::{DevArgs, DoctorArgs, ServeArgs, ServeCommand, ShimArgs};
pub use tls::{TlsCommand, TlsInitArgs};
pub use token::{GrantArgs, TokenArgs, TokenCommand};
pub use top::TopArgs;
pub use values::ActorCounts;
pub use wait::WaitCommand;

/// Keeps script actors alive through Zinit and gives them jobs through Redis
#[derive(Debug, Parser)]
#[command(name = "hero-supervisor", version, about, max_term_width = 110)]
pub struct Cli {
    /// Options that every command has, before its name or behind it.
    #[command(flatten)]
    pub client: ClientArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Commands that run the service, or look after its machine.
    #[command(flatten)]
    Service(ServiceCommand),
    /// Commands that call a server.
    #[command(flatten)]
    Call(CallCommand),
    /// Commands that work on files and on this program alone.
    #[command(flatten)]
    Local(LocalCommand),
}

/// Commands that run the service, or look after its machine.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Run the service
    Serve(Box<ServeCommand>),
    /// Try everything out: a private Redis, demo actors and the service in one command
    Dev(Box<DevArgs>),
    /// Check everything that the service needs on this machine
    Doctor(Box<DoctorArgs>),
    /// Save actors, settings, queues, jobs and objects of a Redis into a file, while it is in use
    Backup(Box<BackupArgs>),
    /// Restore a backup into an empty Redis, which may be of another version, or a Cluster
    Restore(Box<RestoreArgs>),
    /// Prepare this process and replace it by another program; used by the process managers
    #[command(hide = true, disable_help_flag = true)]
    ExecShim(ShimArgs),
}

/// Commands that call a server.
#[derive(Debug, Subcommand)]
pub enum CallCommand {
    /// Create, show, start, stop and scale actors
    #[command(subcommand)]
    Actor(ActorCommand),
    /// Run, submit, await, show, cancel and retry jobs
    #[command(subcommand)]
    Job(JobCommand),
    /// Create, show, pause, resume, purge and delete queues
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Show the machines whose supervisors use the same Redis
    #[command(subcommand)]
    Node(NodeCommand),
    /// Show script types, and change their settings: scaling, health, limits
    #[command(subcommand)]
    ScriptType(ScriptTypeCommand),
    /// Create or remove actors of one type until there are N; the same as `actor scale`
    Scale(ScaleArgs),
    /// Ping actors now, and follow their health
    #[command(subcommand)]
    Health(HealthCommand),
    /// Show queues, actors and jobs as they change, on a screen with keys
    Top(TopArgs),
    /// Wait until the server is ready, or until actors run
    #[command(subcommand)]
    Wait(WaitCommand),
    /// Show past events, and follow new ones
    Events(EventsArgs),
    /// Show the identity, the limits and the dependencies of the server
    #[command(visible_alias = "status")]
    Info,
    /// Show who may call the server, and who has called it
    #[command(subcommand)]
    Access(AccessCommand),
    /// Show where the dashboard of the server is, and open it in a browser
    Dashboard(DashboardArgs),
}

/// Commands that work on files and on this program alone.
#[derive(Debug, Subcommand)]
pub enum LocalCommand {
    /// Keep servers and what they are called with under names, and choose one
    #[command(subcommand)]
    Context(ContextCommand),
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
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages of all commands into a folder
    Man(ManArgs),
    /// Print the version of this program; `info` shows that of a server
    Version,
}

/// Runs a command that calls a server.
///
/// # Errors
/// The failure of the command, with its exit code.
pub fn run_call(client: ClientArgs, command: CallCommand) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Exit::Refused, format!("cannot start the runtime: {error}")))?;
    let ended = runtime.block_on(call(client, command));
    // A read of standard input whose result is no longer needed must not delay the exit.
    runtime.shutdown_background();
    ended
}

async fn call(client: ClientArgs, command: CallCommand) -> Result<Exit, Failure> {
    match command {
        CallCommand::Actor(verb) => actor::run(client, verb).await,
        CallCommand::Job(verb) => Box::pin(job::run(client, verb)).await,
        CallCommand::Queue(verb) => queue::run(client, verb).await,
        CallCommand::Node(verb) => node::run(client, verb).await,
        CallCommand::ScriptType(verb) => script_type::run(client, verb).await,
        CallCommand::Scale(args) => actor::run_scale(client, args).await,
        CallCommand::Health(verb) => health::run(client, verb).await,
        CallCommand::Top(args) => top::run(client, args).await,
        CallCommand::Wait(verb) => wait::run(client, verb).await,
        CallCommand::Events(args) => events::run(client, args).await,
        CallCommand::Info => info::run(client).await,
        CallCommand::Access(verb) => access_command::run(client, verb).await,
        CallCommand::Dashboard(args) => dashboard::run(client, args).await,
    }
}

/// Runs a command that works on files and on this program alone.
///
/// # Errors
/// The failure of the command, with its exit code.
pub fn run_local(client: &ClientArgs, command: LocalCommand) -> Result<Exit, Failure> {
    match command {
        LocalCommand::Context(verb) => context::run(client, verb),
        LocalCommand::Config(verb) => config::run(verb),
        LocalCommand::Tls(verb) => tls::run(&verb),
        LocalCommand::Token(args) => token::run(args),
        LocalCommand::Audit(args) => audit::run(args),
        LocalCommand::Completions(args) => completions::run(&args),
        LocalCommand::Man(args) => man::run(&args),
        LocalCommand::Version => {
            let version = concat!("hero-supervisor ", env!("CARGO_PKG_VERSION"));
            Output::new(Format::Table, false).data(version)?;
            Ok(Exit::Ok)
        }
    }
}
