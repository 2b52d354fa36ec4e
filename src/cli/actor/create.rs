//! `actor create`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::definition::{DefinitionArgs, absolute};
use super::{DEFAULT_WAIT, Server, ids, rows, waited};
use crate::cli::values::{node_field, script_type, span, to_proto};
use crate::cli::{Exit, Failure, Output, client};
use crate::domain::model::id::NodeName;
use crate::domain::model::queue_name::QueueName;
use crate::proto::{self, ActorConfig, CreateActorRequest};

/// Options of `actor create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name of the actor: a-z, 0-9, _ and -, starting with a letter
    actor: String,
    /// Script type of the actor: osis, sal, v or python
    #[arg(long = "type", value_name = "TYPE", value_parser = script_type)]
    script_type: proto::ScriptType,
    /// Program of the actor [default: the one for the type, beside the supervisor or in its PATH]
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Queue from which the actor takes jobs [default: that of its type]
    #[arg(long, value_name = "QUEUE", value_parser = QueueName::parse)]
    queue: Option<QueueName>,
    /// Machine that runs the actor, by the node name of its supervisor [default: that of the called supervisor]
    #[arg(long, value_name = "NODE", value_parser = NodeName::parse)]
    node: Option<NodeName>,
    /// The rest of the definition.
    #[command(flatten)]
    definition: DefinitionArgs,
    /// Do not start the actor
    #[arg(long)]
    no_start: bool,
    /// Check the definition and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Longest wait until the actor runs
    #[arg(long, value_name = "TIME", value_parser = span, default_value = DEFAULT_WAIT)]
    wait: Duration,
}

pub(super) async fn run(server: &mut Server, out: Output, args: CreateArgs) -> Result<Exit, Failure> {
    let (wait, dry_run) = (args.wait, args.dry_run);
    let mut config = ActorConfig {
        script_type: args.script_type.into(),
        binary_path: args.binary.map(absolute).transpose()?.unwrap_or_default(),
        queue: args.queue.map(|queue| queue.to_string()).unwrap_or_default(),
        ..ActorConfig::default()
    };
    args.definition.write(&mut config)?;
    let request = CreateActorRequest {
        actor_id: args.actor,
        config: Some(config),
        start: Some(!args.no_start),
        validate_only: dry_run,
        max_wait: to_proto(wait),
        node: node_field(args.node),
    };
    let answer = server.create_actor(client::waiting_call(request, wait)).await?.into_inner();
    out.listing(&answer, ids(&answer.actor), || rows(&answer.actor))?;
    if dry_run {
        out.notice("the definition is valid; this was a dry run: nothing was created");
        return Ok(Exit::Ok);
    }
    Ok(waited(out, answer.wait_outcome()))
}
