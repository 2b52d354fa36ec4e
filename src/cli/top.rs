//! `top`: shows queues and actors at an interval.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use clap::Args;

use super::client::Server;
use super::table::Look;
use super::values::span;
use super::{ClientArgs, Exit, Failure, Format, actor, client, queue};
use crate::proto::{ListActorsRequest, ListActorsResponse};
use crate::proto::{ListScriptTypesRequest, ListScriptTypesResponse};

/// Moves to the corner of the screen and clears it.
const HOME: &str = "\x1b[H\x1b[2J";
/// Most actors shown: more than a terminal has lines.
const MOST_ACTORS: i32 = 500;

/// Options of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Show them once and exit; the default when the output is no terminal
    #[arg(long)]
    pub once: bool,
    /// Interval between two updates
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "1s")]
    pub every: Duration,
}

pub(super) async fn run(client: ClientArgs, args: TopArgs) -> Result<Exit, Failure> {
    let out = client.printer();
    let mut server = client.connect().await?;
    if args.once || !stdout().is_terminal() {
        let (types, actors) = look(&mut server).await?;
        let ids = actors.actors.iter().map(|actor| actor.actor_id.clone());
        out.listing(&types, queue::names(&types.script_types), || queue::rows(&types.script_types))?;
        if out.format() == Format::Table {
            out.data("\n")?;
        }
        out.listing(&actors, ids, || actor::rows(&actors.actors))?;
        return Ok(Exit::Ok);
    }
    let again = async {
        loop {
            let (types, actors) = look(&mut server).await?;
            let look = Look::of_stdout(client.wide);
            let types = queue::rows(&types.script_types).render(look);
            let actors = actor::rows(&actors.actors).render(look);
            out.data(&format!("{HOME}{types}\n{actors}"))?;
            tokio::time::sleep(args.every).await;
        }
    };
    tokio::select! {
        ended = again => ended,
        _pressed = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

async fn look(server: &mut Server) -> Result<(ListScriptTypesResponse, ListActorsResponse), Failure> {
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
