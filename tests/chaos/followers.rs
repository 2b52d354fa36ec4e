//! Followers of events: cut again and again, they go on where they were.

use std::collections::BTreeMap;
use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::job::State as JobState;
use pb::watch_events_response::Item;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::Code;

use crate::history::{Follower, LogEntry, Position};
use crate::support::full_service::{Client, span};

/// Where events of a run begin and end.
type Places = BTreeMap<char, Position>;

/// After the end of the run the rest comes within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who follows what.
pub(crate) struct Subscription {
    pub(crate) clients: Vec<Client>,
    /// See [`begin`].
    pub(crate) request: pb::WatchEventsRequest,
    /// Says, once the run is over, up to where there are events.
    pub(crate) goal: watch::Receiver<Option<Places>>,
}

/// Asks for what is followed, from now on.
pub(crate) async fn begin(client: &Client, script_types: &[pb::ScriptType]) -> pb::WatchEventsRequest {
    let topics = if script_types.is_empty() { vec![] } else { vec![pb::event::Topic::Job.into()] };
    let mut request = pb::WatchEventsRequest {
        topics,
        script_types: script_types.iter().copied().map(i32::from).collect(),
        include_snapshot: Some(false),
        heartbeat_interval: span(Duration::from_secs(1)),
        ..Default::default()
    };
    let first = client.clone().watch_events(request.clone()).await.unwrap();
    request.resume_after = first.into_inner().message().await.unwrap().unwrap().cursor;
    request
}

/// Follows until it has everything.
pub(crate) async fn follow(subscription: Subscription, mut rng: fastrand::Rng) -> Follower {
    let Subscription { clients, mut request, mut goal } = subscription;
    let begin = places(&request.resume_after);
    let mut follower = Follower { end: begin.clone(), begin, seen: Vec::new(), complaints: Vec::new() };
    let mut give_up = None;
    loop {
        let goal_now = goal.borrow_and_update().clone();
        if let Some(goal) = &goal_now {
            let at = places(&request.resume_after);
            if at.iter().all(|(stream, at)| goal.get(stream).is_none_or(|goal| at >= goal)) {
                follower.end = at;
                return follower;
            }
            if Instant::now() > *give_up.get_or_insert_with(|| Instant::now() + PATIENCE) {
                let missing = format!("at {at:?} it waits in vain for {goal:?}");
                follower.complaints.push(missing);
                follower.end = goal.clone();
                return follower;
            }
        }
        // At the end it stays on; before, it leaves after a while or after a few events.
        let stay = if goal_now.is_some() { 5000 } else { rng.u64(50..4000) };
        let most = if rng.bool() { usize::MAX } else { rng.usize(1..40) };
        let client = clients[rng.usize(..clients.len())].clone();
        let until = Instant::now() + Duration::from_millis(stay);
        read(client, &mut request, &mut follower, until, most).await;
        let away = if rng.u8(..3) == 0 { rng.u64(100..3000) } else { rng.u64(1..100) };
        let _over_or_not = timeout(Duration::from_millis(away), goal.changed()).await;
        if goal_now.is_some() {
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Reads for a while.
async fn read(
    mut client: Client,
    request: &mut pb::WatchEventsRequest,
    follower: &mut Follower,
    until: Instant,
    most: usize,
) {
    let mut taken = 0;
    let watch = match timeout(Duration::from_secs(5), client.watch_events(request.clone())).await {
        Ok(Ok(watch)) => watch,
        Ok(Err(status)) => return complain(&status, follower),
        Err(_elapsed) => return,
    };
    let mut watch = watch.into_inner();
    while taken < most {
        let message = match timeout_at(until, watch.message()).await {
            Ok(Ok(Some(message))) => message,
            Ok(Err(status)) => return complain(&status, follower),
            Ok(Ok(None)) | Err(_) => return,
        };
        request.resume_after = message.cursor;
        if let Some(Item::Event(event)) = message.item {
            taken += 1;
            follower.seen.push(entry(&event));
        }
    }
}

/// A follower may lose its connection, and may be told that something is away.
fn complain(status: &tonic::Status, follower: &mut Follower) {
    let usual = [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::DeadlineExceeded];
    if !usual.contains(&status.code()) {
        follower.complaints.push(format!("its watch ended with {:?} {}", status.code(), status.message()));
    }
}

fn entry(event: &pb::Event) -> LogEntry {
    let (stream, at) = word(&event.event_id);
    let end = match &event.detail {
        Some(pb::event::Detail::JobStateChange(change)) => {
            [JobState::Succeeded, JobState::Failed, JobState::Cancelled].contains(&change.new_state())
        }
        _other => false,
    };
    LogEntry { stream, at, job_id: event.job_id.clone(), end }
}

/// A place as events and cursors spell it: the letter of the stream, and two numbers.
fn word(text: &str) -> (char, Position) {
    let stream = text.chars().next().unwrap();
    let (millis, sequence) = text[1..].split_once('-').unwrap();
    let number = |text| u64::from_str_radix(text, 16).unwrap();
    (stream, (number(millis), number(sequence)))
}

/// The places of a cursor: one for each stream, behind the number of its form.
fn places(cursor: &str) -> Places {
    cursor[1..].split('.').map(word).collect()
}
