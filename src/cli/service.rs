//! Options of the commands that are run by [`crate::app`]: the service itself, its trial, its doctor and the shim.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{Format, values};
use crate::config::{Env, Flags, Layers};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;

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
    /// Address of the dashboard: IP:PORT of this machine [default: 127.0.0.1:9465, or any free port if that is taken]
    #[arg(long, value_name = "ADDR")]
    pub dashboard_listen: Option<String>,
    /// Address of gRPC: IP:PORT of this machine or unix:PATH; can be repeated [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<String>,
    /// Serve /metrics for Prometheus here: IP:PORT or unix:PATH [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<String>,
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
    /// Print the user for `backup` and `restore` instead
    #[arg(long, requires = "print_acl", conflicts_with = "script_type")]
    pub for_backups: bool,
    /// Print the user for the actors of this script type instead
    #[arg(long, value_name = "TYPE", requires = "print_acl", value_parser = ScriptType::parse)]
    pub script_type: Option<ScriptType>,
    /// Print the user for the actors of this named queue, which takes jobs of that script type
    #[arg(long, value_name = "QUEUE", requires = "script_type", value_parser = QueueName::parse)]
    pub queue: Option<QueueName>,
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
