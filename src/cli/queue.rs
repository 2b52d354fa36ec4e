//! `queue`: creates, shows, pauses, resumes, purges and deletes queues.

mod named;

use std::time::Duration;

use clap::Subcommand;

use super::client::Server;
use super::confirm::ConfirmArgs;
use super::output::{DRY_RUN, Output};
use super::table::{Cell, Column, Table};
use super::values::{self, brief, jobs, or_dash, script_type_word, word};
use super::{ClientArgs, Exit, Failure, client};
use crate::domain::model::queue_name::QueueName;
use crate::proto::{self, ScriptTypeStatus, job};

/// Longest time of a purge, which goes through a queue page by page: some minutes for millions of jobs.
const PURGE_WAIT: Duration = Duration::from_secs(15 * 60);

/// Verbs of `queue`.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List the default queues with their jobs and actors
    #[command(visible_alias = "list")]
    Ls {
        /// List all queues by name instead, also those that were created
        #[arg(long)]
        names: bool,
    },
    /// Create a queue beside the default ones
    Create {
        /// Name: 1 to 63 of a-z, 0-9, _ and -
        #[arg(value_name = "QUEUE", value_parser = QueueName::parse)]
        queue: QueueName,
        /// Script type of its jobs and actors: osis, sal, v or python
        #[arg(short, long = "type", value_name = "TYPE", value_parser = values::script_type)]
        script_type: proto::ScriptType,
    },
    /// Show a queue with the numbers of its jobs and actors
    Get {
        /// Name of the queue
        #[arg(value_name = "QUEUE", value_parser = values::queue)]
        queue: QueueName,
        /// Show its settings and its state as well
        #[arg(long)]
        settings: bool,
    },
    /// Change settings of a queue; settings without a flag stay as they are
    Update(Box<named::UpdateArgs>),
    /// Delete a queue that has no unfinished jobs and no actors
    #[command(visible_alias = "delete")]
    Rm {
        /// Name of the queue
        #[arg(value_name = "QUEUE", value_parser = QueueName::parse)]
        queue: QueueName,
        /// Question before the queue and the records of its ended jobs go.
        #[command(flatten)]
        confirm: ConfirmArgs,
    },
    /// Pause a queue: jobs are still accepted, and running jobs finish
    Pause {
        /// Name of the queue
        #[arg(value_name = "QUEUE", value_parser = values::queue)]
        queue: QueueName,
        /// Reason; appears in events and in the status
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Resume a queue
    Resume {
        /// Name of the queue
        #[arg(value_name = "QUEUE", value_parser = values::queue)]
        queue: QueueName,
        /// Reason; appears in events
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Cancel waiting jobs
    Purge {
        /// Name of the queue
        #[arg(value_name = "QUEUE", value_parser = values::queue)]
        queue: QueueName,
        /// States of the jobs to cancel: queued, blocked, scheduled or retry_wait [default: queued]
        #[arg(long = "state", value_name = "STATE", value_parser = waiting_state)]
        states: Vec<job::State>,
        /// Change nothing if there are more jobs than this
        #[arg(long, value_name = "N")]
        expected_count: Option<i32>,
        /// Count the jobs and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Reason; becomes the cancel reason of the jobs
        #[arg(long, default_value = "purged from the command line")]
        reason: String,
        /// Question before jobs are cancelled.
        #[command(flatten)]
        confirm: ConfirmArgs,
    },
}

pub(super) async fn run(client: ClientArgs, verb: QueueCommand) -> Result<Exit, Failure> {
    let out = client.printer();
    let mut server = client.connect().await?;
    match verb {
        QueueCommand::Ls { names: true } => named::list(&mut server, out).await?,
        QueueCommand::Create { queue, script_type } => {
            let request =
                proto::CreateQueueRequest { queue: queue.to_string(), script_type: script_type.into() };
            let answer = server.create_queue(client::call(request)).await?.into_inner();
            out.listing(&answer, named::names(&answer.queue), || named::rows(&answer.queue))?;
        }
        QueueCommand::Get { queue, settings } => named::get(&mut server, out, queue, settings).await?,
        QueueCommand::Update(update) => named::update(&mut server, out, *update).await?,
        QueueCommand::Rm { queue, confirm } => {
            if confirm.asks() {
                confirm.ask(&format!("delete queue {queue} and the records of its ended jobs?"))?;
            }
            let request = proto::DeleteQueueRequest { queue: queue.to_string() };
            let answer = server.delete_queue(client::call(request)).await?.into_inner();
            out.response(&answer, [], || format!("queue {queue} is gone"))?;
        }
        QueueCommand::Ls { names: false } => {
            let request = proto::ListScriptTypesRequest {};
            let answer = server.list_script_types(client::call(request)).await?.into_inner();
            out.listing(&answer, names(&answer.script_types), || rows(&answer.script_types))?;
        }
        QueueCommand::Pause { queue, reason } => {
            let (script_type, queue) = values::queue_fields(queue);
            let request = proto::PauseQueueRequest { script_type, queue, reason };
            let answer = server.pause_queue(client::call(request)).await?.into_inner();
            out.listing(&answer, names(&answer.status), || rows(&answer.status))?;
            if !answer.changed {
                out.notice("the queue was paused already");
            }
        }
        QueueCommand::Resume { queue, reason } => {
            let (script_type, queue) = values::queue_fields(queue);
            let request = proto::ResumeQueueRequest { script_type, queue, reason };
            let answer = server.resume_queue(client::call(request)).await?.into_inner();
            out.listing(&answer, names(&answer.status), || rows(&answer.status))?;
            if !answer.changed {
                out.notice("the queue was not paused");
            }
        }
        QueueCommand::Purge { queue, states, expected_count, dry_run, reason, confirm } => {
            let (script_type, name) = values::queue_fields(queue);
            let request = proto::PurgeQueueRequest {
                script_type,
                queue: name,
                states: states.into_iter().map(i32::from).collect(),
                expected_count,
                validate_only: dry_run,
                reason,
            };
            purge(&mut server, out, queue, request, &confirm).await?;
        }
    }
    Ok(Exit::Ok)
}

/// Purges a queue, after a question.
async fn purge(
    server: &mut Server,
    out: Output,
    queue: QueueName,
    mut request: proto::PurgeQueueRequest,
    confirm: &ConfirmArgs,
) -> Result<(), Failure> {
    let dry_run = request.validate_only;
    if confirm.asks() && !dry_run {
        let counting = proto::PurgeQueueRequest { validate_only: true, ..request.clone() };
        let count =
            server.purge_queue(client::waiting_call(counting, PURGE_WAIT)).await?.into_inner().purged_count;
        // Nobody is asked about nothing.
        if count > 0 {
            confirm.ask(&format!("cancel {} of the {queue} queue?", jobs(count.into())))?;
        }
        // What was confirmed is the most that is done.
        request.expected_count = Some(request.expected_count.unwrap_or(count).min(count));
    }
    let answer = server.purge_queue(client::waiting_call(request, PURGE_WAIT)).await?.into_inner();
    let done = if dry_run { "would be cancelled" } else { "cancelled" };
    out.response(&answer, [], || format!("{} {done}", jobs(answer.purged_count.into())))?;
    if dry_run {
        out.notice(DRY_RUN);
    }
    Ok(())
}

/// Returns the names of queues; those of default queues are their script types.
pub(super) fn names<'a>(types: impl IntoIterator<Item = &'a ScriptTypeStatus>) -> Vec<String> {
    types.into_iter().map(name).collect()
}

/// Returns the name of a queue.
pub(super) fn name(status: &ScriptTypeStatus) -> String {
    if status.queue.is_empty() { script_type_word(status.script_type) } else { status.queue.clone() }
}

/// The columns of a list of queues.
const COLUMNS: [Column; 13] = [
    Column::whole("TYPE"),
    Column::whole("QUEUE"),
    Column::whole("QUEUED"),
    Column::whole("RUNNING"),
    Column::leave("DELAYED", 3),
    Column::leave("OLDEST", 4),
    Column::leave("IN/S", 1),
    Column::leave("OUT/S", 2),
    Column::whole("ACTORS"),
    Column::leave("BUSY", 0),
    Column::whole("UNHEALTHY"),
    Column::leave("WANTED", 5),
    Column::cut("REASON"),
];

/// Renders a table of queues.
pub(super) fn rows<'a>(types: impl IntoIterator<Item = &'a ScriptTypeStatus>) -> Table {
    let row = |status: &ScriptTypeStatus| {
        let state = if status.paused { "paused" } else { "open" };
        [
            Cell::from(name(status)),
            Cell::state(state.to_owned()),
            status.jobs_queued.to_string().into(),
            status.jobs_running.to_string().into(),
            status.jobs_delayed.to_string().into(),
            brief(status.oldest_queued_age).into(),
            format!("{:.1}", status.submitted_per_second).into(),
            format!("{:.1}", status.finished_per_second).into(),
            format!("{}/{}", status.actors_running, status.actors_total).into(),
            status.actors_busy.to_string().into(),
            Cell::bad_count(status.actors_unhealthy),
            status.desired_replicas.map_or_else(|| "-".to_owned(), |wanted| wanted.to_string()).into(),
            or_dash(&status.pause_reason).into(),
        ]
    };
    Table::new(COLUMNS, types.into_iter().map(row))
}

/// Parses a state of waiting jobs.
fn waiting_state(raw: &str) -> Result<job::State, String> {
    let waiting = [job::State::Queued, job::State::Blocked, job::State::Scheduled, job::State::RetryWait];
    let named = waiting.into_iter().find(|state| word(state.as_str_name(), "STATE_") == raw);
    named.ok_or_else(|| {
        format!("{raw:?} is no state of waiting jobs: use queued, blocked, scheduled or retry_wait")
    })
}
