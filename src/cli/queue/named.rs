//! Queues by name, as tables.

use crate::cli::Failure;
use crate::cli::client::{self, Server};
use crate::cli::output::Output;
use crate::cli::table::{Cell, Column, Table};
use crate::cli::values::{or_dash, script_type_word, time};
use crate::proto::{ListQueuesRequest, ListQueuesResponse, Queue};

/// Queues of one page.
const PAGE_SIZE: i32 = 1000;
/// Most pages of one list.
const MOST_PAGES: usize = 1000;

/// Lists all queues by name.
///
/// # Errors
/// Those of the calls.
pub(super) async fn list(server: &mut Server, out: Output) -> Result<(), Failure> {
    let mut all = ListQueuesResponse::default();
    let mut page_token = String::new();
    for _page in 0..MOST_PAGES {
        let request = ListQueuesRequest { page_size: PAGE_SIZE, page_token };
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
        Column::whole("QUEUED"),
        Column::whole("RUNNING"),
        Column::whole("DELAYED"),
        Column::whole("ACTORS"),
    ];
    let row = |queue: &Queue| {
        let Queue { jobs_queued, jobs_running, jobs_delayed, actors_total, .. } = queue;
        let number = |number: &i32| Cell::from(number.to_string());
        [
            Cell::from(queue.queue.clone()),
            Cell::from(script_type_word(queue.script_type)),
            number(jobs_queued),
            number(jobs_running),
            number(jobs_delayed),
            number(actors_total),
        ]
    };
    Table::new(columns, queues.into_iter().map(row))
}
