//! The stream of events as `top` follows it, over restarts of the server; and what is read and done beside it.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::sleep;

use super::view::{Action, Subject};
use crate::cli::client::{self, Server};
use crate::cli::values::{script_type, to_proto};
use crate::cli::watch_loop::{End, HEARTBEAT, RETRY, next};
use crate::cli::{ClientArgs, Failure};
use crate::proto::bookmark::Kind;
use crate::proto::watch_events_response::Item;
use crate::proto::{
    Actor, CancelJobRequest, GetActorRequest, ListQueuesRequest, LogEntry, PauseQueueRequest,
    RestartActorRequest, ResumeQueueRequest, ScriptTypeStatus, StartActorRequest, StopActorRequest,
    StreamActorLogsRequest, WatchEventsRequest, WatchEventsResponse, WatchJobRequest, watch_job_response,
};

/// Lines of a log before its end to begin with.
const TAIL: i32 = 200;

/// Time between two reads of the queues that were created by name.
const QUEUES_EVERY: Duration = Duration::from_secs(3);
/// Most of them that are shown; a server reads no more at a time.
const MOST_QUEUES: i32 = 50;

/// One thing that comes in.
#[derive(Debug)]
pub(super) enum Update {
    Message(Box<WatchEventsResponse>),
    /// The connection is lost, for this reason; another one is tried.
    Lost(String),
    /// The events in between are no longer kept: a snapshot comes.
    Expired,
    Failed(Failure),
    /// An actor that was read; None for one that is gone, an error if it could not be read.
    Read(String, Result<Option<Box<Actor>>, ()>),
    /// The queues that were created by name.
    Queues(Vec<ScriptTypeStatus>),
    /// The outcome of an action.
    Done(String),
    /// Lines of a log, by its number.
    Log(u64, Vec<String>),
}

/// Follows events until a failure that a repeat does not cure.
pub(super) async fn events(client: ClientArgs, server: Server, updates: Sender<Update>) {
    let mut server = Some(server);
    let (mut cursor, mut failures) = (String::new(), 0_u32);
    loop {
        let connected = match server.take() {
            Some(server) => Ok(server),
            None => client.connect().await,
        };
        let before = cursor.clone();
        let end = match connected {
            Ok(mut server) => follow(&mut server, &mut cursor, &updates).await,
            Err(failure) => End::Lost(failure.message),
        };
        failures = if cursor == before { failures.saturating_add(1) } else { 1 };
        let told = match end {
            End::Failed(failure) => Update::Failed(failure),
            End::Lost(why) => Update::Lost(why),
            End::Expired => {
                cursor.clear();
                Update::Expired
            }
        };
        let is_over = matches!(told, Update::Failed(_));
        if updates.send(told).await.is_err() || is_over {
            return;
        }
        sleep(RETRY.delay(failures, fastrand::f64())).await;
    }
}

async fn follow(server: &mut Server, cursor: &mut String, updates: &Sender<Update>) -> End {
    let request = WatchEventsRequest {
        include_snapshot: Some(cursor.is_empty()),
        resume_after: cursor.clone(),
        heartbeat_interval: to_proto(HEARTBEAT),
        include_usage: true,
        ..Default::default()
    };
    let mut stream = match server.watch_events(request).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return status.into(),
    };
    let mut whole = !cursor.is_empty();
    loop {
        let message = match next(&mut stream).await {
            Ok(message) => message,
            Err(end) => return end,
        };
        whole |= matches!(&message.item, Some(Item::Bookmark(mark)) if mark.kind() == Kind::SnapshotEnd);
        // A snapshot that breaks off comes again as a whole.
        if whole {
            cursor.clone_from(&message.cursor);
        }
        if updates.send(Update::Message(Box::new(message))).await.is_err() {
            return End::Lost(String::new());
        }
    }
}

/// Reads actors of which events do not tell all.
pub(super) async fn read_actors(client: ClientArgs, ids: Vec<String>, updates: Sender<Update>) {
    let mut server = client.connect().await.ok();
    for id in ids {
        let read = match &mut server {
            Some(server) => {
                let request = GetActorRequest { actor_id: id.clone(), ..Default::default() };
                match server.get_actor(client::call(request)).await {
                    Ok(response) => Ok(response.into_inner().actor.map(Box::new)),
                    Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
                    Err(_status) => Err(()),
                }
            }
            None => Err(()),
        };
        if updates.send(Update::Read(id, read)).await.is_err() {
            return;
        }
    }
}

/// Does something, and tells what became of it.
pub(super) async fn act(client: ClientArgs, action: Action, updates: Sender<Update>) {
    let told = match client.connect().await {
        Ok(mut server) => match done(&mut server, &action).await {
            Ok(told) => told,
            Err(status) => Failure::from(status).message,
        },
        Err(failure) => failure.message,
    };
    let _closed = updates.send(Update::Done(told)).await;
}

async fn done(server: &mut Server, action: &Action) -> Result<String, tonic::Status> {
    let at_once = to_proto(Duration::ZERO);
    let reason = "top".to_owned();
    Ok(match action.clone() {
        Action::Start(actor_id) => {
            let told = format!("{actor_id} is started");
            server
                .start_actor(client::call(StartActorRequest {
                    actor_id,
                    max_wait: at_once,
                    local_only: false,
                }))
                .await?;
            told
        }
        Action::Stop(actor_id) => {
            let told = format!("{actor_id} stops");
            let request = StopActorRequest { actor_id, max_wait: at_once, reason, ..Default::default() };
            server.stop_actor(client::call(request)).await?;
            told
        }
        Action::Restart(actor_id) => {
            let told = format!("{actor_id} restarts");
            let request = RestartActorRequest { actor_id, max_wait: at_once, reason, ..Default::default() };
            server.restart_actor(client::call(request)).await?;
            told
        }
        Action::Pause(name) => {
            let (script_type, queue) = fields_of(name);
            server.pause_queue(client::call(PauseQueueRequest { script_type, queue, reason })).await?;
            "the queue is paused".to_owned()
        }
        Action::Resume(name) => {
            let (script_type, queue) = fields_of(name);
            server.resume_queue(client::call(ResumeQueueRequest { script_type, queue, reason })).await?;
            "the queue goes on".to_owned()
        }
        Action::Cancel(job_id) => {
            let told = format!("{job_id} is cancelled");
            server.cancel_job(client::call(CancelJobRequest { job_id, reason })).await?;
            told
        }
    })
}

/// Returns the script type and the name by which a call names a queue; older servers know default queues by type only.
fn fields_of(name: String) -> (i32, String) {
    match script_type(&name) {
        Ok(script_type) => (script_type.into(), String::new()),
        Err(_named) => (0, name),
    }
}

/// Reads the queues that were created by name again and again: no event tells of their jobs.
pub(super) async fn queues(client: ClientArgs, updates: Sender<Update>) {
    let mut server = None;
    loop {
        if server.is_none() {
            server = client.connect().await.ok();
        }
        if let Some(connected) = &mut server {
            match named_queues(connected).await {
                Ok(queues) => {
                    if updates.send(Update::Queues(queues)).await.is_err() {
                        return;
                    }
                }
                Err(status) if status.code() == tonic::Code::Unimplemented => return,
                Err(_lost) => server = None,
            }
        }
        sleep(QUEUES_EVERY).await;
    }
}

/// Reads the status of the first queues that were created by name.
pub(super) async fn named_queues(server: &mut Server) -> Result<Vec<ScriptTypeStatus>, tonic::Status> {
    let request = ListQueuesRequest {
        named_only: true,
        include_status: true,
        page_size: MOST_QUEUES,
        ..Default::default()
    };
    let page = server.list_queues(client::call(request)).await?.into_inner();
    Ok(page.queues.into_iter().filter_map(|queue| queue.status).collect())
}

/// Follows the log of an actor or a job.
pub(super) async fn log(client: ClientArgs, subject: Subject, number: u64, updates: Sender<Update>) {
    let end = match client.connect().await {
        Ok(mut server) => match subject {
            Subject::Actor { id, .. } => log_of_actor(&mut server, id, number, &updates).await,
            Subject::Job { id, .. } => log_of_job(&mut server, id, number, &updates).await,
            Subject::Queue { .. } => Ok(()),
        },
        Err(failure) => Err(tonic::Status::unavailable(failure.message)),
    };
    let told = match end {
        Ok(()) => "[the log ends here]".to_owned(),
        Err(status) => format!("[the log cannot be followed: {}]", status.message()),
    };
    let _closed = updates.send(Update::Log(number, vec![told])).await;
}

async fn log_of_actor(
    server: &mut Server,
    actor_id: String,
    number: u64,
    updates: &Sender<Update>,
) -> Result<(), tonic::Status> {
    let request =
        StreamActorLogsRequest { actor_id, tail_lines: Some(TAIL), follow: true, ..Default::default() };
    let mut stream = server.stream_actor_logs(request).await?.into_inner();
    while let Some(part) = stream.message().await? {
        if updates.send(Update::Log(number, texts(part.dropped_count, part.entries))).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn log_of_job(
    server: &mut Server,
    job_id: String,
    number: u64,
    updates: &Sender<Update>,
) -> Result<(), tonic::Status> {
    let request = WatchJobRequest { job_id, include_logs: true, ..Default::default() };
    let mut stream = server.watch_job(request).await?.into_inner();
    while let Some(part) = stream.message().await? {
        if let Some(watch_job_response::Item::LogEntries(entries)) = part.item
            && updates.send(Update::Log(number, texts(entries.dropped_count, entries.entries))).await.is_err()
        {
            break;
        }
    }
    Ok(())
}

fn texts(dropped: i32, entries: Vec<LogEntry>) -> Vec<String> {
    let gap = (dropped > 0).then(|| format!("[… {dropped} lines left out …]"));
    gap.into_iter().chain(entries.into_iter().map(|entry| entry.text)).collect()
}
