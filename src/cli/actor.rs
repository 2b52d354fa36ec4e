//! `actor`: shows actors, and changes their definitions and desired states.

mod confine;
mod conformance;
mod create;
mod definition;
mod difference;
mod logs;
mod render;
mod scale;
mod update;

use std::time::Duration;

use clap::{Args, Subcommand};

use super::client::Server;
use super::confirm::ConfirmArgs;
use super::values::{self, span, to_proto};
use super::{ClientArgs, Exit, Failure, Output, client};
use crate::domain::model::queue_name::QueueName;
use crate::proto::{self, ActorSelector, WaitOutcome};

pub use conformance::ConformanceArgs;
pub(super) use definition::{OnUnhealthy, absolute};
pub use scale::ScaleArgs;

pub(super) use render::rows;
use render::{ids, labelled, result_ids, result_rows, show};
pub(super) use scale::run_alone as run_scale;

/// Default wait: long enough for a drain with its default limit and a start.
const DEFAULT_WAIT: &str = "90s";
/// Actors of one call; pages are joined.
const PAGE_SIZE: i32 = 500;

/// Verbs of `actor`.
#[derive(Debug, Subcommand)]
pub enum ActorCommand {
    /// List actors
    #[command(visible_alias = "list")]
    Ls {
        /// Only actors of these script types: osis, sal, v or python
        #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = values::script_type)]
        types: Vec<proto::ScriptType>,
        /// Only actors at these queues
        #[arg(long = "queue", value_name = "QUEUE", value_delimiter = ',', value_parser = QueueName::parse)]
        queues: Vec<QueueName>,
        /// Only actors that have all these labels
        #[arg(long = "label", value_name = "NAME=VALUE", value_parser = values::pair)]
        labels: Vec<(String, String)>,
        /// Show the value of this label as a column; can be repeated
        #[arg(short = 'L', long = "label-column", value_name = "NAME")]
        label_columns: Vec<String>,
    },
    /// Show one actor
    Get {
        /// Name of the actor
        actor: String,
        /// Include the values of its environment variables, which may be secrets
        #[arg(long)]
        env: bool,
    },
    /// Run an actor of any language against a private Redis, and report which parts of the actor protocol it keeps
    Conformance(Box<ConformanceArgs>),
    /// Create an actor and start it
    Create(Box<create::CreateArgs>),
    /// Show the log of an actor, and follow it
    Logs(logs::LogsArgs),
    /// Change the definition of an actor; fields without a flag stay as they are
    Update(Box<update::UpdateArgs>),
    /// Start actors and wait until they run
    Start {
        /// Selection of actors
        #[command(flatten)]
        which: Which,
        /// Longest wait
        #[arg(long, value_name = "TIME", value_parser = span, default_value = DEFAULT_WAIT)]
        wait: Duration,
    },
    /// Stop actors after their running jobs
    Stop {
        /// Selection of actors
        #[command(flatten)]
        which: Which,
        /// Options of the stop
        #[command(flatten)]
        how: How,
        /// Question before all are stopped.
        #[command(flatten)]
        confirm: ConfirmArgs,
    },
    /// Stop actors and start them again
    Restart {
        /// Selection of actors
        #[command(flatten)]
        which: Which,
        /// Options of the stop
        #[command(flatten)]
        how: How,
        /// Most actors that are down at the same time; 0 means all
        #[arg(long, value_name = "N", default_value_t = 1)]
        max_unavailable: i32,
    },
    /// Stop actors and remove them
    #[command(visible_alias = "rm")]
    Delete {
        /// Names of actors
        #[arg(required = true)]
        actors: Vec<String>,
        /// Options of the stop
        #[command(flatten)]
        how: How,
        /// Succeed if an actor does not exist
        #[arg(long)]
        allow_missing: bool,
        /// Question before the removal.
        #[command(flatten)]
        confirm: ConfirmArgs,
    },
    /// Create or remove actors of one type until there are N
    Scale(ScaleArgs),
}

/// A selection of actors.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Which {
    /// Names of actors
    #[arg(value_name = "ACTOR")]
    actors: Vec<String>,
    /// All actors of these script types
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = values::script_type)]
    types: Vec<proto::ScriptType>,
    /// All actors at these queues
    #[arg(long = "queue", value_name = "QUEUE", value_delimiter = ',', value_parser = QueueName::parse)]
    queues: Vec<QueueName>,
    /// All actors that have all these labels
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = values::pair)]
    labels: Vec<(String, String)>,
    /// All actors
    #[arg(long)]
    all: bool,
}

impl Which {
    /// Returns the name if one actor is selected by name alone.
    fn single(&self) -> Option<String> {
        match self.actors.as_slice() {
            [one]
                if self.queues.is_empty() && self.types.is_empty() && self.labels.is_empty() && !self.all =>
            {
                Some(one.clone())
            }
            _many => None,
        }
    }

    fn selector(self) -> Option<ActorSelector> {
        Some(ActorSelector {
            actor_ids: self.actors,
            script_types: self.types.into_iter().map(i32::from).collect(),
            queues: self.queues.iter().map(ToString::to_string).collect(),
            labels: self.labels.into_iter().collect(),
            all: self.all,
        })
    }
}

/// Options of a stop.
#[derive(Debug, Args)]
pub struct How {
    /// Time for running jobs to finish [default: that of the actor]
    #[arg(long, value_name = "TIME", value_parser = span)]
    drain_timeout: Option<Duration>,
    /// Kill the processes at once, without drain
    #[arg(long)]
    force: bool,
    /// Reason; appears in events
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Longest wait
    #[arg(long, value_name = "TIME", value_parser = span, default_value = DEFAULT_WAIT)]
    wait: Duration,
}

impl How {
    fn drain(&self) -> Option<prost_types::Duration> {
        self.drain_timeout.and_then(to_proto)
    }
}

pub(super) async fn run(client: ClientArgs, verb: ActorCommand) -> Result<Exit, Failure> {
    let out = client.printer();
    let mut server = client.connect().await?;
    match verb {
        ActorCommand::Conformance(_) => {
            Err(Failure::usage("`actor conformance` talks to no server: it is run by the program itself"))
        }
        ActorCommand::Ls { types, queues, labels, label_columns } => {
            let filter = proto::ListActorsRequest {
                script_types: types.into_iter().map(i32::from).collect(),
                queues: queues.iter().map(ToString::to_string).collect(),
                labels: labels.into_iter().collect(),
                page_size: PAGE_SIZE,
                ..Default::default()
            };
            list(&mut server, out, filter, &label_columns).await
        }
        ActorCommand::Get { actor, env } => {
            let view = if env { proto::ActorView::Full } else { proto::ActorView::Basic };
            let request = proto::GetActorRequest { actor_id: actor, view: view.into(), ..Default::default() };
            let answer = server.get_actor(client::call(request)).await?.into_inner();
            out.response(&answer, ids(&answer.actor), || {
                answer.actor.as_ref().map(show).unwrap_or_default()
            })?;
            Ok(Exit::Ok)
        }
        ActorCommand::Logs(args) => logs::run(&mut server, out, args).await,
        ActorCommand::Create(create) => create::run(&mut server, out, *create).await,
        ActorCommand::Update(update) => update::run(&mut server, out, *update).await,
        ActorCommand::Start { which, wait } => start(&mut server, out, which, wait).await,
        ActorCommand::Stop { which, how, confirm } => {
            if which.all {
                confirm.ask("stop all actors?")?;
            }
            stop(&mut server, out, which, how).await
        }
        ActorCommand::Restart { which, how, max_unavailable } => {
            restart(&mut server, out, which, how, max_unavailable).await
        }
        ActorCommand::Delete { actors, how, allow_missing, confirm } => {
            confirm.ask(&format!("stop and delete {}?", actors.join(", ")))?;
            delete(&mut server, out, actors, how, allow_missing).await
        }
        ActorCommand::Scale(args) => scale::run(&mut server, out, args).await,
    }
}

async fn list(
    server: &mut Server,
    out: Output,
    mut request: proto::ListActorsRequest,
    columns: &[String],
) -> Result<Exit, Failure> {
    let mut all = proto::ListActorsResponse::default();
    loop {
        let page = server.list_actors(client::call(request.clone())).await?.into_inner();
        all.actors.extend(page.actors);
        all.total_size = page.total_size;
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    out.listing(&all, all.actors.iter().map(|actor| actor.actor_id.clone()), || {
        labelled(&all.actors, columns)
    })?;
    Ok(Exit::Ok)
}

async fn start(server: &mut Server, out: Output, which: Which, wait: Duration) -> Result<Exit, Failure> {
    let max_wait = to_proto(wait);
    if let Some(actor_id) = which.single() {
        let request = proto::StartActorRequest { actor_id, max_wait, local_only: false };
        let answer = server.start_actor(client::waiting_call(request, wait)).await?.into_inner();
        out.listing(&answer, ids(&answer.actor), || rows(&answer.actor))?;
        return Ok(waited(out, answer.wait_outcome()));
    }
    let request = proto::StartActorsRequest { selector: which.selector(), max_wait, local_only: false };
    let answer = server.start_actors(client::waiting_call(request, wait)).await?.into_inner();
    out.listing(&answer, result_ids(&answer.results), || result_rows(&answer.results))?;
    Ok(exit_of_many(out, &answer.results))
}

async fn stop(server: &mut Server, out: Output, which: Which, how: How) -> Result<Exit, Failure> {
    let (max_wait, drain_timeout) = (to_proto(how.wait), how.drain());
    let How { force, reason, wait, .. } = how;
    if let Some(actor_id) = which.single() {
        let request =
            proto::StopActorRequest { actor_id, drain_timeout, force, max_wait, reason, local_only: false };
        let answer = server.stop_actor(client::waiting_call(request, wait)).await?.into_inner();
        out.listing(&answer, ids(&answer.actor), || rows(&answer.actor))?;
        return Ok(waited(out, answer.wait_outcome()));
    }
    let selector = which.selector();
    let request =
        proto::StopActorsRequest { selector, drain_timeout, force, max_wait, reason, local_only: false };
    let answer = server.stop_actors(client::waiting_call(request, wait)).await?.into_inner();
    out.listing(&answer, result_ids(&answer.results), || result_rows(&answer.results))?;
    Ok(exit_of_many(out, &answer.results))
}

async fn restart(
    server: &mut Server,
    out: Output,
    which: Which,
    how: How,
    max_unavailable: i32,
) -> Result<Exit, Failure> {
    let (max_wait, drain_timeout) = (to_proto(how.wait), how.drain());
    let How { force, reason, wait, .. } = how;
    if let Some(actor_id) = which.single() {
        let request = proto::RestartActorRequest {
            actor_id,
            drain_timeout,
            force,
            max_wait,
            reason,
            local_only: false,
        };
        let answer = server.restart_actor(client::waiting_call(request, wait)).await?.into_inner();
        out.listing(&answer, ids(&answer.actor), || rows(&answer.actor))?;
        return Ok(waited(out, answer.wait_outcome()));
    }
    let selector = which.selector();
    let request = proto::RestartActorsRequest {
        selector,
        drain_timeout,
        force,
        max_unavailable,
        max_wait,
        reason,
        local_only: false,
    };
    let answer = server.restart_actors(client::waiting_call(request, wait)).await?.into_inner();
    out.listing(&answer, result_ids(&answer.results), || result_rows(&answer.results))?;
    Ok(exit_of_many(out, &answer.results))
}

async fn delete(
    server: &mut Server,
    out: Output,
    actors: Vec<String>,
    how: How,
    allow_missing: bool,
) -> Result<Exit, Failure> {
    for actor_id in actors {
        let request = proto::DeleteActorRequest {
            actor_id: actor_id.clone(),
            drain_timeout: how.drain(),
            force: how.force,
            allow_missing,
            reason: how.reason.clone(),
            local_only: false,
        };
        let answer = server.delete_actor(client::waiting_call(request, how.wait)).await?.into_inner();
        out.response(&answer, ids(&answer.actor), || match answer.actor {
            Some(_) => format!("{actor_id} deleted"),
            None => format!("{actor_id} was not there"),
        })?;
    }
    Ok(Exit::Ok)
}

/// Returns the exit code of a call that waits. The request stands even if the wait ended first.
fn waited(out: Output, outcome: WaitOutcome) -> Exit {
    match outcome {
        WaitOutcome::TimedOut => {
            out.notice("the wait has ended and the work continues; see `hero-supervisor actor ls`");
            Exit::TimedOut
        }
        WaitOutcome::Done | WaitOutcome::Unspecified => Exit::Ok,
    }
}

/// Returns the worst exit code of many results.
fn exit_of_many(out: Output, results: &[proto::ActorResult]) -> Exit {
    let mut exit = Exit::Ok;
    for result in results {
        match &result.error {
            Some(error) => {
                out.notice(&format!("{}: {} [{}]", result.actor_id, error.message, error.reason));
                exit = Exit::Refused;
            }
            None if exit == Exit::Ok => exit = waited(out, result.wait_outcome()),
            None => {}
        }
    }
    exit
}
