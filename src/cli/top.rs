//! `top`: shows queues and actors at an interval, on a screen of its own.

mod screen;

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::client::Server;
use super::table::Look;
use super::values::span;
use super::watch_loop::End;
use super::{ClientArgs, Exit, Failure, Format, actor, client, queue};
use crate::printable::one_line;
use crate::proto::{ListActorsRequest, ListActorsResponse};
use crate::proto::{ListScriptTypesRequest, ListScriptTypesResponse};

use screen::{Screen, quit_key};

/// Most actors shown: more than a terminal has lines.
const MOST_ACTORS: i32 = 500;
/// Least interval while the server is away.
const RETRY: Duration = Duration::from_secs(1);

/// Options of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Show them once and exit; the default when the output is no terminal, or not a table
    #[arg(long)]
    pub once: bool,
    /// Interval between two updates
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "1s")]
    pub every: Duration,
}

pub(super) async fn run(client: ClientArgs, args: TopArgs) -> Result<Exit, Failure> {
    let out = client.printer();
    // Only the first connection must succeed at once.
    let mut server = client.connect().await?;
    let first = look(&mut server).await?;
    if args.once || client.quiet || out.format() != Format::Table || !stdout().is_terminal() {
        let (types, actors) = first;
        let ids = actors.actors.iter().map(|actor| actor.actor_id.clone());
        out.listing(&types, queue::names(&types.script_types), || queue::rows(&types.script_types))?;
        if !client.quiet && out.format() == Format::Table {
            out.data("\n")?;
        }
        out.listing(&actors, ids, || actor::rows(&actors.actors))?;
        return Ok(Exit::Ok);
    }
    let mut ended = signal(SignalKind::terminate())?;
    let screen = Screen::enter()?;
    tokio::select! {
        ended = follow(&client, &screen, server, args.every, tables(&client, &first)) => ended,
        () = quit_key(&screen) => Ok(Exit::Ok),
        _pressed = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        _asked = ended.recv() => Ok(Exit::Interrupted),
    }
}

/// Shows what there is again and again, also over restarts of the server.
async fn follow(
    client: &ClientArgs,
    screen: &Screen,
    server: Server,
    every: Duration,
    mut shown: String,
) -> Result<Exit, Failure> {
    let mut server = Some(server);
    let mut trouble = None;
    loop {
        screen.show(&heading(every, trouble.as_deref()), &shown)?;
        sleep(if trouble.is_some() { every.max(RETRY) } else { every }).await;
        let seen = async {
            let mut connected = match server.take() {
                Some(server) => server,
                None => client.connect().await.map_err(|failure| End::Lost(failure.message))?,
            };
            let seen = look(&mut connected).await?;
            server = Some(connected);
            Ok(seen)
        };
        match seen.await {
            Ok(seen) => {
                shown = tables(client, &seen);
                trouble = None;
            }
            Err(End::Failed(failure)) => return Err(failure),
            Err(End::Lost(why)) => trouble = Some(why),
            Err(End::Expired) => trouble = Some("the server has no answer".to_owned()),
        }
    }
}

/// Renders the first line.
fn heading(every: Duration, trouble: Option<&str>) -> String {
    match trouble {
        None => format!("every {}, q quits", humantime::format_duration(every)),
        Some(why) => {
            let why = why.lines().next().unwrap_or_default();
            format!("connection lost, reconnecting: {}", one_line(why))
        }
    }
}

fn tables(client: &ClientArgs, (types, actors): &(ListScriptTypesResponse, ListActorsResponse)) -> String {
    let look = Look::of_stdout(client.wide);
    let (types, actors) = (queue::rows(&types.script_types), actor::rows(&actors.actors));
    format!("{}\n{}", types.render(look), actors.render(look))
}

async fn look(server: &mut Server) -> Result<(ListScriptTypesResponse, ListActorsResponse), tonic::Status> {
    let types = server.list_script_types(client::call(ListScriptTypesRequest {})).await?.into_inner();
    let mut request = ListActorsRequest { page_size: MOST_ACTORS, ..Default::default() };
    let mut all = ListActorsResponse::default();
    loop {
        let page = server.list_actors(client::call(request.clone())).await?.into_inner();
        all.actors.extend(page.actors);
        (all.total_size, request.page_token) = (page.total_size, page.next_page_token);
        // A page of actors with long definitions has fewer than requested.
        if request.page_token.is_empty()
            || i32::try_from(all.actors.len()).is_ok_and(|count| count >= MOST_ACTORS)
        {
            return Ok((types, all));
        }
    }
}
