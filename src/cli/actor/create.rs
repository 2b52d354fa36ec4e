//! `actor create`: a definition, flag by flag.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::confine::ConfineArgs;
use super::{DEFAULT_WAIT, Server, ids, rows, waited};
use crate::cli::values::{pair, script_type, span, to_proto};
use crate::cli::{Exit, Failure, Output, client};
use crate::grpc::proto::{
    self, ActorConfig, CreateActorRequest, RestartPolicy, actor_config, restart_policy,
};

/// The definition of an actor.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Its name: a-z, 0-9, _ and -, starting with a letter
    actor: String,
    /// The script type that it serves: osis, sal, v or python
    #[arg(long = "type", value_name = "TYPE", value_parser = script_type)]
    script_type: proto::ScriptType,
    /// Its program
    #[arg(long, value_name = "PATH")]
    binary: PathBuf,
    /// A variable of its environment; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// A mark for selectors; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Shell command that must succeed before it counts as started
    #[arg(long, value_name = "COMMAND")]
    health_check: Option<String>,
    /// An actor or service that must run first; can be repeated
    #[arg(long, value_name = "NAME")]
    after: Vec<String>,
    /// Its working folder
    #[arg(long, value_name = "DIR")]
    working_dir: Option<PathBuf>,
    /// The SHA-256 that its program must have
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Time for running jobs to end before a stop kills it [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = span)]
    drain_timeout: Option<Duration>,
    /// Time to become running [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = span)]
    start_timeout: Option<Duration>,
    /// What counts as started
    #[arg(long, value_enum, value_name = "WHAT")]
    readiness: Option<Readiness>,
    /// When its process is started again
    #[arg(long, value_enum, value_name = "WHEN")]
    restart: Option<Restart>,
    /// Whom it runs as, and its limits.
    #[command(flatten)]
    confine: ConfineArgs,
    /// Do not start it yet
    #[arg(long)]
    no_start: bool,
    /// Only check the definition
    #[arg(long)]
    dry_run: bool,
    /// How long to wait until it runs
    #[arg(long, value_name = "TIME", value_parser = span, default_value = DEFAULT_WAIT)]
    wait: Duration,
    /// Arguments of its program, behind `--`
    #[arg(last = true, value_name = "ARG")]
    args: Vec<String>,
}

/// What counts as started.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Readiness {
    /// It announced itself at its queue
    Queue,
    /// Its process runs
    Process,
}

/// When a process that ended is started again.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Restart {
    /// However it ended
    Always,
    /// Unless it ended with exit code 0
    OnFailure,
    /// Never
    Never,
}

pub(super) async fn run(server: &mut Server, out: Output, args: CreateArgs) -> Result<Exit, Failure> {
    let (wait, dry_run) = (args.wait, args.dry_run);
    let request = request(args)?;
    let answer = server.create_actor(client::waiting_call(request, wait)).await?.into_inner();
    out.response(&answer, ids(&answer.actor), || rows(&answer.actor))?;
    if dry_run {
        out.talk("the definition is fine; nothing was made");
        return Ok(Exit::Ok);
    }
    Ok(waited(out, answer.wait_outcome()))
}

fn request(args: CreateArgs) -> Result<CreateActorRequest, Failure> {
    let absolute = |path: PathBuf| {
        std::path::absolute(&path)
            .map(|path| path.to_string_lossy().into_owned())
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    };
    let restart_policy = args.restart.map(|restart| RestartPolicy {
        mode: match restart {
            Restart::Always => restart_policy::Mode::Always,
            Restart::OnFailure => restart_policy::Mode::OnFailure,
            Restart::Never => restart_policy::Mode::Never,
        }
        .into(),
        ..RestartPolicy::default()
    });
    let readiness = match args.readiness {
        None => actor_config::Readiness::Unspecified,
        Some(Readiness::Queue) => actor_config::Readiness::Queue,
        Some(Readiness::Process) => actor_config::Readiness::Process,
    };
    let config = ActorConfig {
        script_type: args.script_type.into(),
        binary_path: absolute(args.binary)?,
        args: args.args,
        env: args.env.into_iter().collect(),
        health_check: args.health_check.unwrap_or_default(),
        dependencies: args.after,
        working_dir: args.working_dir.map(absolute).transpose()?.unwrap_or_default(),
        binary_sha256: args.sha256.unwrap_or_default(),
        drain_timeout: args.drain_timeout.and_then(to_proto),
        start_timeout: args.start_timeout.and_then(to_proto),
        readiness: readiness.into(),
        restart_policy,
        labels: args.label.into_iter().collect(),
        health_policy: None,
        run_as: args.confine.run_as(),
        limits: args.confine.limits(),
        no_new_privileges: args.confine.no_new_privileges,
        die_with_process_manager: args.confine.die_with_process_manager,
    };
    Ok(CreateActorRequest {
        actor_id: args.actor,
        config: Some(config),
        start: Some(!args.no_start),
        validate_only: args.dry_run,
        max_wait: to_proto(args.wait),
    })
}
