//! `wait`: waits until the server is ready or actors run, for scripts.

use std::time::Duration;

use clap::Subcommand;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::client::{Server, Transport};
use super::values::{span, word};
use super::{ClientArgs, Exit, Failure, Format, client};
use crate::proto::actor::{DesiredState, State};
use crate::proto::supervisor_client::SupervisorClient;
use crate::proto::{Actor, GetActorRequest, GetServerInfoRequest, ListActorsRequest};

/// Interval of the checks.
const PAUSE: Duration = Duration::from_millis(250);
/// Actors on one page.
const PAGE_SIZE: i32 = 1000;
/// Health name that is SERVING while Redis and the process manager answer.
const READY: &str = "hero.supervisor.v1.Supervisor";

/// Verbs of `wait`. The exit code is 0 when the condition is met, and 124 when the time is over first.
#[derive(Debug, Subcommand)]
pub enum WaitCommand {
    /// Wait until the server is ready: it answers, and Redis and the process manager answer it
    Ready {
        /// Wait for these actors, too
        #[arg(long = "actor", value_name = "ACTOR")]
        actors: Vec<String>,
        /// Wait for all actors, on all machines, whose desired state is up
        #[arg(long)]
        all_actors: bool,
        /// Longest wait
        #[arg(long, value_name = "TIME", value_parser = span, default_value = "60s")]
        timeout: Duration,
    },
    /// Wait until actors run
    Actor {
        /// Names of actors
        #[arg(required = true, value_name = "ACTOR")]
        actors: Vec<String>,
        /// Longest wait
        #[arg(long, value_name = "TIME", value_parser = span, default_value = "60s")]
        timeout: Duration,
    },
}

/// The condition of the wait.
struct Goal {
    actors: Vec<String>,
    all_actors: bool,
}

pub(super) async fn run(client: ClientArgs, verb: WaitCommand) -> Result<Exit, Failure> {
    let (goal, timeout) = match verb {
        WaitCommand::Ready { actors, all_actors, timeout } => (Goal { actors, all_actors }, timeout),
        WaitCommand::Actor { actors, timeout } => (Goal { actors, all_actors: false }, timeout),
    };
    let deadline = Instant::now() + timeout;
    let mut missing = "there was no answer yet".to_owned();
    let mut channel = None;
    while Instant::now() < deadline {
        // A call that hangs does not outlast the wait, and leaves the last known reason.
        match timeout_at(deadline, round(&client, &mut channel, &goal)).await {
            Ok(Ok(())) => return show(&client, &goal).await,
            Ok(Err(Missing::Hopeless(failure))) => return Err(failure),
            Ok(Err(Missing::Yet(what))) => missing = what,
            Err(_elapsed) => break,
        }
        sleep(PAUSE.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
    Err(Failure::new(Exit::TimedOut, format!("not within {timeout:?}: {missing}")))
}

/// Shows programs what was waited for: the actors, or the server. People see nothing.
async fn show(client: &ClientArgs, goal: &Goal) -> Result<Exit, Failure> {
    let out = client.printer();
    if client.output == Format::Table {
        return Ok(Exit::Ok);
    }
    let mut server = client.connect().await?;
    if goal.actors.is_empty() {
        let info = server.get_server_info(client::call(GetServerInfoRequest {})).await?.into_inner();
        out.response(&info, [info.instance_id.clone()], String::new)?;
        return Ok(Exit::Ok);
    }
    for actor_id in &goal.actors {
        let request = GetActorRequest { actor_id: actor_id.clone(), ..Default::default() };
        let answer = server.get_actor(client::call(request)).await?.into_inner();
        out.item(&answer, actor_id, String::new)?;
    }
    Ok(Exit::Ok)
}

/// The reason why the condition is not met.
enum Missing {
    /// A reason that may pass.
    Yet(String),
    /// A wrong command line, or a caller who may not ask, which a further wait does not cure.
    Hopeless(Failure),
}

impl From<Status> for Missing {
    fn from(status: Status) -> Self {
        let refused = matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied);
        let failure = Failure::from(status);
        if refused { Self::Hopeless(failure) } else { Self::Yet(failure.message) }
    }
}

async fn round(args: &ClientArgs, channel: &mut Option<Transport>, goal: &Goal) -> Result<(), Missing> {
    let connected = match channel {
        Some(channel) => channel.clone(),
        None => {
            let fresh = args.transport().await.map_err(|failure| {
                if failure.exit == Exit::Usage {
                    Missing::Hopeless(failure)
                } else {
                    Missing::Yet(failure.message)
                }
            })?;
            channel.insert(fresh).clone()
        }
    };
    let request = client::call(HealthCheckRequest { service: READY.to_owned() });
    let health = HealthClient::new(connected.clone()).check(request).await;
    match health.map(|answer| answer.into_inner().status()) {
        Ok(ServingStatus::Serving) => {}
        Ok(_not_serving) => {
            return Err(Missing::Yet("the server is up, and Redis or the process manager is not".to_owned()));
        }
        Err(status) => return Err(status.into()),
    }
    let mut server = SupervisorClient::new(connected);
    let mut down = Vec::new();
    for id in &goal.actors {
        match server
            .get_actor(client::call(GetActorRequest { actor_id: id.clone(), ..Default::default() }))
            .await
        {
            Ok(answer) => down.extend(answer.into_inner().actor.filter(not_running)),
            Err(status) => return Err(status.into()),
        }
    }
    if goal.all_actors {
        let meant = |actor: &Actor| actor.desired_state() == DesiredState::Up;
        down.extend(all(&mut server).await?.into_iter().filter(|actor| meant(actor) && not_running(actor)));
    }
    if down.is_empty() { Ok(()) } else { Err(Missing::Yet(describe_down(&down))) }
}

fn not_running(actor: &Actor) -> bool {
    actor.state() != State::Running
}

async fn all(server: &mut Server) -> Result<Vec<Actor>, Missing> {
    let mut actors = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListActorsRequest { page_size: PAGE_SIZE, page_token, ..Default::default() };
        let page = server.list_actors(client::call(request)).await?.into_inner();
        actors.extend(page.actors);
        if page.next_page_token.is_empty() {
            return Ok(actors);
        }
        page_token = page.next_page_token;
    }
}

/// Describes the actors that do not run; only the first ones of many.
fn describe_down(down: &[Actor]) -> String {
    const SHOWN: usize = 5;
    let one = |actor: &Actor| {
        let state = word(actor.state().as_str_name(), "STATE_");
        let why = if actor.status_message.is_empty() {
            String::new()
        } else {
            format!(" ({})", actor.status_message)
        };
        format!("{} is {state}{why}", actor.actor_id)
    };
    let shown: Vec<String> = down.iter().take(SHOWN).map(one).collect();
    let more = down.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(", and {more} more do not run") } else { String::new() };
    shown.join(", ") + rest.as_str()
}
