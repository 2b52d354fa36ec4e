//! `actor scale`, and `scale` as its short form.

use std::time::Duration;

use clap::Args;

use super::{How, Server, waited};
use crate::cli::output::DRY_RUN;
use crate::cli::table::{Column, Table};
use crate::cli::values::{self, ScopeWord, to_proto};
use crate::cli::{ClientArgs, Exit, Failure, Output, client};
use crate::domain::model::id::NodeName;
use crate::domain::model::queue_name::QueueName;
use crate::proto;

/// Options of a scaling.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Script type (osis, sal, v or python), or the name of a queue
    #[arg(value_name = "QUEUE", value_parser = values::queue)]
    queue: QueueName,
    /// Number of actors
    #[arg(value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(0..=1000))]
    replicas: i32,
    /// Machine whose actors are counted, by the node name of its supervisor [default: that of the called supervisor]
    #[arg(long, value_name = "NODE", value_parser = NodeName::parse)]
    node: Option<NodeName>,
    /// Machines over which N counts [default: that of the settings]
    #[arg(long, value_enum, conflicts_with = "node")]
    scope: Option<ScopeWord>,
    /// Options of the stop
    #[command(flatten)]
    how: How,
    /// Show what would happen and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Switch automatic scaling off
    #[arg(long)]
    take_over: bool,
}

pub(in crate::cli) async fn run_alone(client: ClientArgs, args: ScaleArgs) -> Result<Exit, Failure> {
    let mut server = client.connect().await?;
    run(&mut server, client.printer(), args).await
}

pub(super) async fn run(server: &mut Server, out: Output, args: ScaleArgs) -> Result<Exit, Failure> {
    // The call has no `force`; a drain timeout of 0 has the same effect.
    let drain_timeout = if args.how.force { to_proto(Duration::ZERO) } else { args.how.drain() };
    let ScaleArgs { queue, replicas, node, scope, how, dry_run, take_over } = args;
    let (script_type, queue) = values::queue_fields(queue);
    let request = proto::ScaleActorsRequest {
        script_type,
        queue,
        replicas: Some(replicas),
        drain_timeout,
        max_wait: to_proto(how.wait),
        validate_only: dry_run,
        take_over,
        reason: how.reason,
        node: values::node_field(node),
        scope: values::scale_scope(scope).into(),
    };
    let answer = server.scale_actors(client::waiting_call(request, how.wait)).await?.into_inner();
    let changed = answer.added_actor_ids.iter().chain(&answer.removed_actor_ids).cloned();
    let (added, removed) =
        if dry_run { ("would be added", "would be removed") } else { ("added", "removed") };
    out.listing(&answer, changed, || {
        let added = answer.added_actor_ids.iter().map(|id| [id.as_str().into(), added.into()]);
        let removed = answer.removed_actor_ids.iter().map(|id| [id.as_str().into(), removed.into()]);
        Table::new([Column::whole("ACTOR"), Column::whole("CHANGE")], added.chain(removed))
    })?;
    for share in &answer.shares {
        out.notice(&shown(share));
    }
    if answer.unplaced_replicas > 0 {
        out.notice(&format!("{} could not be placed", answer.unplaced_replicas));
    }
    if dry_run {
        out.notice(DRY_RUN);
        return Ok(Exit::Ok);
    }
    Ok(waited(out, answer.wait_outcome()))
}

/// Says which share a machine has.
fn shown(share: &proto::NodeShare) -> String {
    let proto::NodeShare { node, replicas, present, fault } = share;
    match (present, fault.as_str()) {
        (false, _) => format!("node {node}: {replicas} (absent)"),
        (true, "") => format!("node {node}: {replicas}"),
        (true, fault) => format!("node {node}: {replicas} ({fault})"),
    }
}
