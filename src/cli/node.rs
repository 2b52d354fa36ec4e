//! `node`: shows the machines of the fleet.

use std::time::SystemTime;

use clap::Subcommand;

use super::table::{Cell, Column, Table};
use super::values::age;
use super::{ClientArgs, Exit, Failure, client};
use crate::adapters::system_clock::SystemClock;
use crate::ports::clock::Clock;
use crate::proto;

/// Columns of a list of machines.
const NODES: [Column; 6] = [
    Column::whole("NODE"),
    Column::whole("STATE"),
    Column::whole("SEEN"),
    Column::whole("ACTORS"),
    Column::whole("RUNNING"),
    Column::leave("LEADS", 0),
];

/// Verbs of `node`.
#[derive(Debug, Clone, Subcommand)]
pub enum NodeCommand {
    /// List the machines whose supervisors use the same Redis, with their actors
    #[command(visible_alias = "list")]
    Ls,
}

pub(super) async fn run(client: ClientArgs, verb: NodeCommand) -> Result<Exit, Failure> {
    let mut server = client.connect().await?;
    match verb {
        NodeCommand::Ls => {
            let request = proto::ListNodesRequest {};
            let answer = server.list_nodes(client::call(request)).await?.into_inner();
            let now = SystemClock.now();
            let names = answer.nodes.iter().map(|node| node.node.clone());
            let rows = || Table::new(NODES, answer.nodes.iter().map(|node| row(node, now)));
            client.printer().listing(&answer, names, rows)?;
        }
    }
    Ok(Exit::Ok)
}

fn row(node: &proto::Node, now: SystemTime) -> [Cell; 6] {
    let state = match (node.present, node.seen_time) {
        (true, _) => "present",
        (false, Some(_)) => "lost",
        (false, None) => "unknown",
    };
    [
        node.node.clone().into(),
        Cell::state(state.to_owned()),
        age(now, node.seen_time).into(),
        node.actors_total.to_string().into(),
        node.actors_running.to_string().into(),
        if node.leads_fleet { "fleet" } else { "-" }.to_owned().into(),
    ]
}
