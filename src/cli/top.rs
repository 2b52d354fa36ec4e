//! `top`: queues, actors and jobs on a screen of their own as they change, with keys; a plain table where there is no
//! terminal.

mod content;
mod draw;
mod follow;
mod overview;
mod rates;
mod screen;
mod session;
mod view;

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use clap::Args;

use super::client::Server;
use super::values::span;
use super::{ClientArgs, Exit, Failure, Format, actor, client, queue};
use crate::proto::{GetServerInfoRequest, ListActorsRequest, ListActorsResponse};
use crate::proto::{ListScriptTypesRequest, ListScriptTypesResponse};

/// Most actors of the plain table.
const MOST_ACTORS: i32 = 500;

/// Options of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Show a plain table once and exit; the default when the output is no terminal, or not a table
    #[arg(long)]
    pub once: bool,
    /// Least time between two updates of the screen
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "250ms")]
    pub every: Duration,
}

pub(super) async fn run(client: ClientArgs, args: TopArgs) -> Result<Exit, Failure> {
    let out = client.printer();
    // Only the first connection must succeed at once.
    let mut server = client.connect().await?;
    if args.once || client.quiet || out.format() != Format::Table || !stdout().is_terminal() {
        let (mut types, actors) = look(&mut server).await?;
        if out.format() == Format::Table {
            // A server of before has no such queues.
            types.script_types.extend(follow::named_queues(&mut server).await.unwrap_or_default());
        }
        let ids = actors.actors.iter().map(|actor| actor.actor_id.clone());
        out.listing(&types, queue::names(&types.script_types), || queue::rows(&types.script_types))?;
        if !client.quiet && out.format() == Format::Table {
            out.data("\n")?;
        }
        out.listing(&actors, ids, || actor::rows(&actors.actors))?;
        return Ok(Exit::Ok);
    }
    let info = server.get_server_info(client::call(GetServerInfoRequest {})).await?.into_inner();
    session::run(client, server, info, args.every).await
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
