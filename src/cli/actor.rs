//! `actor`: look at actors and change what is wanted of them.

mod confine;
mod conformance;
mod create;
mod definition;
mod logs;
mod render;
mod scale;
mod update;

use std::time::Duration;

use clap::{Args, Subcommand};
use tonic::transport::Channel;

use super::values::{self, span, to_proto};
use super::{Client, Exit, Failure, Output, client};
use crate::proto::supervisor_client::SupervisorClient;
use crate::proto::{self, ActorSelector, WaitOutcome};

pub use conformance::ConformanceArgs;
pub(super) use definition::{OnUnhealthy, absolute};
pub use scale::{ScaleArgs, ScaleCommand};

pub(super) use render::rows;
use render::{ids, result_ids, result_rows, show};
pub(super) use scale::run_alone as run_scale;

/// Long enough for a drain with its default limit and a start after it.
const DEFAULT_WAIT: &str = "90s";
/// Pages are put together again; this is only what one call carries.
const PAGE_SIZE: i32 = 500;

/// Verbs of `actor`.
#[derive(Debug, Subcommand)]
pub enum ActorCommand {
    /// List actors
    Ls {
        /// Only of these script types: osis, sal, v or python
        #[arg(long = "type", value_name = "TYPE", value_parser = values::script_type)]
        types: Vec<proto::ScriptType>,
        /// Only those with all of these labels
        #[arg(long = "label", value_name = "NAME=VALUE", value_parser = values::pair)]
        labels: Vec<(String, String)>,
    },
    /// Show one actor
    Get {
        /// Its name
        actor: String,
        /// With the values of its environment variables, which may be secrets
        #[arg(long)]
        env: bool,
    },
    /// Try out an actor of any language against a private Redis, and tell what it keeps of the actor protocol
    Conformance(Box<ConformanceArgs>),
    /// Make an actor and start it
    Create(Box<create::CreateArgs>),
    /// Show what an actor wrote, and follow it
    Logs(logs::LogsArgs),
    /// Change the definition of an actor; what is not named stays as it is
    Update(Box<update::UpdateArgs>),
    /// Start actors and wait until they run
    Start {
        /// Which
        #[command(flatten)]
        which: Which,
        /// How long to wait
        #[arg(long, value_name = "TIME", value_parser = span, default_value = DEFAULT_WAIT)]
        wait: Duration,
    },
    /// Let actors finish their jobs, then stop them
    Stop {
        /// Which
        #[command(flatten)]
        which: Which,
        /// How
        #[command(flatten)]
        how: How,
    },
    /// Stop actors and start them again
    Restart {
        /// Which
        #[command(flatten)]
        which: Which,
        /// How
        #[command(flatten)]
        how: How,
        /// Of many, restart at most so many at a time; 0 is all at once
        #[arg(long, value_name = "N", default_value_t = 1)]
        max_unavailable: i32,
    },
    /// Stop actors and forget them
    Delete {
        /// Their names
        #[arg(required = true)]
        actors: Vec<String>,
        /// How
        #[command(flatten)]
        how: How,
        /// An actor that is not there is fine
        #[arg(long)]
        allow_missing: bool,
    },
    /// Make or remove actors of one type until there are N
    Scale(ScaleArgs),
}

/// Which actors.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Which {
    /// Their names
    #[arg(value_name = "ACTOR")]
    actors: Vec<String>,
    /// All of these script types
    #[arg(long = "type", value_name = "TYPE", value_parser = values::script_type)]
    types: Vec<proto::ScriptType>,
    /// All with all of these labels
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = values::pair)]
    labels: Vec<(String, String)>,
    /// All
    #[arg(long)]
    all: bool,
}

impl Which {
    /// The one actor that is meant, if it is one by name.
    fn single(&self) -> Option<String> {
        match self.actors.as_slice() {
            [one] if self.types.is_empty() && self.labels.is_empty() && !self.all => Some(one.clone()),
            _many => None,
        }
    }

    fn selector(self) -> Option<ActorSelector> {
        Some(ActorSelector {
            actor_ids: self.actors,
            script_types: self.types.into_iter().map(i32::from).collect(),
            labels: self.labels.into_iter().collect(),
            all: self.all,
        })
    }
}

/// How processes are ended.
#[derive(Debug, Args)]
pub struct How {
    /// How long running jobs may take to end [default: the actor's own]
    #[arg(long, value_name = "TIME", value_parser = span)]
    drain_timeout: Option<Duration>,
    /// Kill at once
    #[arg(long)]
    force: bool,
    /// Why; events tell it
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// How long to wait for it
    #[arg(long, value_name = "TIME", value_parser = span, default_value = DEFAULT_WAIT)]
    wait: Duration,
}

impl How {
    fn drain(&self) -> Option<prost_types::Duration> {
        self.drain_timeout.and_then(to_proto)
    }
}

pub(super) async fn run(args: Client<ActorCommand>) -> Result<Exit, Failure> {
    let out = args.client.printer();
    let mut server = args.client.connect().await?;
    match args.verb {
        ActorCommand::Conformance(_) => {
            Err(Failure::usage("`actor conformance` talks to no server: it is run by the program itself"))
        }
        ActorCommand::Ls { types, labels } => list(&mut server, out, types, labels).await,
        ActorCommand::Get { actor, env } => {
            let view = if env { proto::ActorView::Full } else { proto::ActorView::Basic };
            let request = proto::GetActorRequest { actor_id: actor, view: view.into() };
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
        ActorCommand::Stop { which, how } => stop(&mut server, out, which, how).await,
        ActorCommand::Restart { which, how, max_unavailable } => {
            restart(&mut server, out, which, how, max_unavailable).await
        }
        ActorCommand::Delete { actors, how, allow_missing } => {
            delete(&mut server, out, actors, how, allow_missing).await
        }
        ActorCommand::Scale(args) => scale::run(&mut server, out, args).await,
    }
}

type Server = SupervisorClient<Channel>;

async fn list(
    server: &mut Server,
    out: Output,
    types: Vec<proto::ScriptType>,
    labels: Vec<(String, String)>,
) -> Result<Exit, Failure> {
    let mut request = proto::ListActorsRequest {
        script_types: types.into_iter().map(i32::from).collect(),
        labels: labels.into_iter().collect(),
        page_size: PAGE_SIZE,
        ..Default::default()
    };
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
    out.response(&all, all.actors.iter().map(|actor| actor.actor_id.clone()), || rows(&all.actors))?;
    Ok(Exit::Ok)
}

async fn start(server: &mut Server, out: Output, which: Which, wait: Duration) -> Result<Exit, Failure> {
    let max_wait = to_proto(wait);
    if let Some(actor_id) = which.single() {
        let request = proto::StartActorRequest { actor_id, max_wait };
        let answer = server.start_actor(client::waiting_call(request, wait)).await?.into_inner();
        out.response(&answer, ids(&answer.actor), || rows(&answer.actor))?;
        return Ok(waited(out, answer.wait_outcome()));
    }
    let request = proto::StartActorsRequest { selector: which.selector(), max_wait };
    let answer = server.start_actors(client::waiting_call(request, wait)).await?.into_inner();
    out.response(&answer, result_ids(&answer.results), || result_rows(&answer.results))?;
    Ok(exit_of_many(out, &answer.results))
}

async fn stop(server: &mut Server, out: Output, which: Which, how: How) -> Result<Exit, Failure> {
    let (max_wait, drain_timeout) = (to_proto(how.wait), how.drain());
    let How { force, reason, wait, .. } = how;
    if let Some(actor_id) = which.single() {
        let request = proto::StopActorRequest { actor_id, drain_timeout, force, max_wait, reason };
        let answer = server.stop_actor(client::waiting_call(request, wait)).await?.into_inner();
        out.response(&answer, ids(&answer.actor), || rows(&answer.actor))?;
        return Ok(waited(out, answer.wait_outcome()));
    }
    let selector = which.selector();
    let request = proto::StopActorsRequest { selector, drain_timeout, force, max_wait, reason };
    let answer = server.stop_actors(client::waiting_call(request, wait)).await?.into_inner();
    out.response(&answer, result_ids(&answer.results), || result_rows(&answer.results))?;
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
        let request = proto::RestartActorRequest { actor_id, drain_timeout, force, max_wait, reason };
        let answer = server.restart_actor(client::waiting_call(request, wait)).await?.into_inner();
        out.response(&answer, ids(&answer.actor), || rows(&answer.actor))?;
        return Ok(waited(out, answer.wait_outcome()));
    }
    let selector = which.selector();
    let request =
        proto::RestartActorsRequest { selector, drain_timeout, force, max_unavailable, max_wait, reason };
    let answer = server.restart_actors(client::waiting_call(request, wait)).await?.into_inner();
    out.response(&answer, result_ids(&answer.results), || result_rows(&answer.results))?;
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
        };
        let answer = server.delete_actor(client::waiting_call(request, how.wait)).await?.into_inner();
        out.response(&answer, ids(&answer.actor), || match answer.actor {
            Some(_) => format!("{actor_id} deleted"),
            None => format!("{actor_id} was not there"),
        })?;
    }
    Ok(Exit::Ok)
}

/// The exit of a call that waits: the wish stands even if the wait was over first.
fn waited(out: Output, outcome: WaitOutcome) -> Exit {
    match outcome {
        WaitOutcome::TimedOut => {
            out.notice("the wait is over and the work is not; it goes on, see `hero-supervisor actor ls`");
            Exit::TimedOut
        }
        WaitOutcome::Done | WaitOutcome::Unspecified => Exit::Ok,
    }
}

/// The worst that happened to one of many.
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
