//! `health`: pings actors and shows their health, and follows the changes of it.

mod watch;

use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use super::table::{Cell, Column, Table};
use super::values::{self, duration, or_dash, span, to_proto, word};
use super::{ClientArgs, Exit, Failure, client};
use crate::domain::model::queue_name::QueueName;
use crate::proto::{self, ActorSelector, HealthReport, check_health_request};

/// Verbs of `health`.
#[derive(Debug, Subcommand)]
pub enum HealthCommand {
    /// Ping actors now and wait for the answers; all actors by default
    Check {
        /// Selection of actors
        #[command(flatten)]
        which: Meant,
        /// Actors among them to ping
        #[arg(long, value_enum, default_value_t = Scope::Idle)]
        scope: Scope,
        /// Longest wait for the answers
        #[arg(long, value_name = "TIME", value_parser = span, default_value = "60s")]
        wait: Duration,
    },
    /// Show the health of actors and follow its changes, until Ctrl-C
    Watch {
        /// Selection of actors
        #[command(flatten)]
        which: Meant,
    },
}

/// A selection of actors; all by default.
#[derive(Debug, Clone, clap::Args)]
pub struct Meant {
    /// Names of actors
    #[arg(value_name = "ACTOR")]
    actors: Vec<String>,
    /// Only actors of these script types
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = values::script_type)]
    types: Vec<proto::ScriptType>,
    /// Only actors at these queues
    #[arg(long = "queue", value_name = "QUEUE", value_delimiter = ',', value_parser = QueueName::parse)]
    queues: Vec<QueueName>,
    /// All actors; the default without names, types and queues
    #[arg(long, conflicts_with_all = ["actors", "types", "queues"])]
    all: bool,
}

impl Meant {
    fn selector(self) -> ActorSelector {
        ActorSelector {
            all: self.all || (self.actors.is_empty() && self.types.is_empty() && self.queues.is_empty()),
            actor_ids: self.actors,
            script_types: self.types.into_iter().map(i32::from).collect(),
            queues: self.queues.iter().map(ToString::to_string).collect(),
            ..Default::default()
        }
    }
}

/// The actors to ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// Actors without jobs in flight
    Idle,
    /// Busy actors, too; these answer after their present job
    All,
    /// No actor: show the last known health
    None,
}

impl From<Scope> for check_health_request::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Idle => Self::Idle,
            Scope::All => Self::All,
            Scope::None => Self::None,
        }
    }
}

pub(super) async fn run(client: ClientArgs, verb: HealthCommand) -> Result<Exit, Failure> {
    let (which, scope, wait) = match verb {
        HealthCommand::Watch { which } => return watch::run(client, which.selector()).await,
        HealthCommand::Check { which, scope, wait } => (which, scope, wait),
    };
    let request = proto::CheckHealthRequest {
        selector: Some(which.selector()),
        scope: check_health_request::Scope::from(scope).into(),
        max_wait: to_proto(wait),
        local_only: false,
    };
    let mut server = client.connect().await?;
    let answer = server.check_health(client::waiting_call(request, wait)).await?.into_inner();
    let ids = answer.reports.iter().map(|report| report.actor_id.clone());
    client.printer().listing(&answer, ids, || rows(&answer.reports))?;
    Ok(Exit::Ok)
}

/// The columns of a list of reports.
const COLUMNS: [Column; 7] = [
    Column::whole("ACTOR"),
    Column::whole("HEALTH"),
    Column::leave("STATE", 1),
    Column::leave("PING", 0),
    Column::leave("MISSES", 3),
    Column::leave("DONE", 2),
    Column::cut("REASON"),
];

fn rows(reports: &[HealthReport]) -> Table {
    let row = |report: &HealthReport| {
        let ping = report.last_ping.as_ref();
        [
            Cell::from(report.actor_id.as_str()),
            Cell::state(word(report.health().as_str_name(), "HEALTH_")),
            Cell::state(word(report.state().as_str_name(), "STATE_")),
            duration(ping.and_then(|ping| ping.round_trip)).into(),
            report.consecutive_failures.to_string().into(),
            word(report.action_taken().as_str_name(), "ACTION_").into(),
            or_dash(&report.reason).into(),
        ]
    };
    Table::new(COLUMNS, reports.iter().map(row))
}
