//! Queues by name, as tables.

use clap::Args;
use prost_types::FieldMask;

use crate::cli::Failure;
use crate::cli::client::{self, Server};
use crate::cli::output::{DRY_RUN, Output};
use crate::cli::script_type::{SettingsArgs, shown};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::values::{self, brief, or_dash, script_type_word, time};
use crate::domain::model::queue_name::QueueName;
use crate::proto::{
    GetQueueRequest, ListQueuesRequest, ListQueuesResponse, Queue, ScriptTypeStatus, UpdateQueueRequest,
};

/// Queues of one page.
const PAGE_SIZE: i32 = 1000;
/// Most pages of one list.
const MOST_PAGES: usize = 1000;

/// Options of `queue update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Name of the queue
    #[arg(value_name = "QUEUE", value_parser = values::queue)]
    queue: QueueName,
    /// The settings.
    #[command(flatten)]
    settings: SettingsArgs,
    /// Check the settings and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Shows a queue.
///
/// # Errors
/// Those of the call.
pub(super) async fn get(
    server: &mut Server,
    out: Output,
    queue: QueueName,
    settings: bool,
) -> Result<(), Failure> {
    let request = GetQueueRequest { queue: queue.to_string() };
    let answer = server.get_queue(client::call(request)).await?.into_inner();
    if settings {
        return out.response(&answer, names(&answer.queue), || shown(&status_of(&answer.queue)));
    }
    out.listing(&answer, names(&answer.queue), || numbers(&answer.queue))
}

/// Changes settings of a queue.
///
/// # Errors
/// Those of the calls, and of flags that do not fit.
pub(super) async fn update(server: &mut Server, out: Output, args: UpdateArgs) -> Result<(), Failure> {
    let name = args.queue.to_string();
    // Its template is one of its script type.
    let found = server.get_queue(client::call(GetQueueRequest { queue: name.clone() })).await?.into_inner();
    let script_type = found.queue.map(|queue| queue.script_type()).unwrap_or_default();
    let (settings, paths) = args.settings.into_change(script_type)?;
    let request = UpdateQueueRequest {
        queue: name,
        settings: Some(settings),
        update_mask: Some(FieldMask { paths }),
        validate_only: args.dry_run,
        etag: String::new(),
    };
    let answer = server.update_queue(client::call(request)).await?.into_inner();
    if args.dry_run {
        out.notice(DRY_RUN);
        return Ok(());
    }
    out.response(&answer, names(&answer.queue), || shown(&status_of(&answer.queue)))
}

fn status_of(queue: &Option<Queue>) -> Option<ScriptTypeStatus> {
    queue.as_ref().and_then(|queue| queue.status.clone())
}

/// Lists all queues by name.
///
/// # Errors
/// Those of the calls.
pub(super) async fn list(server: &mut Server, out: Output) -> Result<(), Failure> {
    let mut all = ListQueuesResponse::default();
    let mut page_token = String::new();
    for _page in 0..MOST_PAGES {
        let request = ListQueuesRequest { page_size: PAGE_SIZE, page_token, ..Default::default() };
        let page = server.list_queues(client::call(request)).await?.into_inner();
        all.queues.extend(page.queues);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    all.next_page_token = page_token;
    out.listing(&all, names(&all.queues), || rows(&all.queues))
}

/// Returns the names of queues.
pub(super) fn names<'a>(queues: impl IntoIterator<Item = &'a Queue>) -> Vec<String> {
    queues.into_iter().map(|queue| queue.queue.clone()).collect()
}

/// Renders a table of queues without numbers.
pub(super) fn rows<'a>(queues: impl IntoIterator<Item = &'a Queue>) -> Table {
    let columns = [Column::whole("QUEUE"), Column::whole("TYPE"), Column::whole("CREATED")];
    let row = |queue: &Queue| {
        let created = queue.create_time.map(|at| time(Some(at))).unwrap_or_default();
        [
            Cell::from(queue.queue.clone()),
            Cell::from(script_type_word(queue.script_type)),
            Cell::from(or_dash(&created)),
        ]
    };
    Table::new(columns, queues.into_iter().map(row))
}

/// Renders a table of queues with the numbers of their jobs and actors.
pub(super) fn numbers<'a>(queues: impl IntoIterator<Item = &'a Queue>) -> Table {
    let columns = [
        Column::whole("QUEUE"),
        Column::whole("TYPE"),
        Column::whole("STATE"),
        Column::whole("QUEUED"),
        Column::whole("RUNNING"),
        Column::whole("DELAYED"),
        Column::whole("OLDEST"),
        Column::whole("ACTORS"),
    ];
    let row = |queue: &Queue| {
        let Queue { jobs_queued, jobs_running, jobs_delayed, actors_total, .. } = queue;
        let number = |number: &i32| Cell::from(number.to_string());
        let status = queue.status.clone().unwrap_or_default();
        let state = if status.paused { "paused" } else { "open" };
        [
            Cell::from(queue.queue.clone()),
            Cell::from(script_type_word(queue.script_type)),
            Cell::state(state.to_owned()),
            number(jobs_queued),
            number(jobs_running),
            number(jobs_delayed),
            Cell::from(brief(status.oldest_queued_age)),
            number(actors_total),
        ]
    };
    Table::new(columns, queues.into_iter().map(row))
}
