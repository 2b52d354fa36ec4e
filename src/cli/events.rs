//! `events`: shows past events, and follows new ones.

mod follow;

use std::time::SystemTime;

use clap::Args;

use super::client::Server;
use super::table::{Cell, Column, Table, short_ids};
use super::values::{self, age, moment_ago, or_dash, script_type_word, time, word};
use super::{ClientArgs, Exit, Failure, Output, client};
use crate::adapters::system_clock::SystemClock;
use crate::domain::model::queue_name::QueueName;
use crate::ports::clock::Clock;
use crate::proto::event::{Severity, Topic};
use crate::proto::{self, Event};

/// Events on one page.
const PAGE_SIZE: usize = 500;
/// Default number of past events …
const LISTED: usize = 50;
/// … and with --follow.
const SHOWN_FIRST: usize = 10;

/// Options of `events`.
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    /// Follow new events, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Only events of these topics: actor, health, job, scaling, queue or server
    #[arg(long = "topic", value_name = "TOPIC", value_delimiter = ',', value_parser = topic)]
    pub topics: Vec<Topic>,
    /// Only events about these script types: osis, sal, v or python
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = values::script_type)]
    pub types: Vec<proto::ScriptType>,
    /// Only events about these queues: of their jobs, their actors and themselves [default: all but those of jobs of named queues]
    #[arg(long = "queue", value_name = "QUEUE", value_delimiter = ',', value_parser = QueueName::parse)]
    pub queues: Vec<QueueName>,
    /// Only events about these actors
    #[arg(long = "actor", value_name = "ACTOR")]
    pub actors: Vec<String>,
    /// Only events about these jobs
    #[arg(long = "job", value_name = "JOB")]
    pub jobs: Vec<String>,
    /// Only events about jobs of this caller
    #[arg(long, value_name = "ID")]
    pub caller: Option<String>,
    /// Only events of at least this severity: debug, info, warning or error
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub severity: Option<Severity>,
    /// Only events since then: 10m, 2h, 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment_ago)]
    pub since: Option<SystemTime>,
    /// Most past events [default: 50, and 10 with --follow]
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<usize>,
}

pub(super) async fn run(client: ClientArgs, args: EventsArgs) -> Result<Exit, Failure> {
    if args.follow {
        return follow::run(client, args).await;
    }
    let mut server = client.connect().await?;
    let events = past(&mut server, &args, args.limit.unwrap_or(LISTED)).await?;
    let ids = events.events.iter().map(|event| event.event_id.clone());
    client.printer().listing(&events, ids, || rows(&events.events))?;
    Ok(Exit::Ok)
}

/// The columns of a list of events.
const COLUMNS: [Column; 6] = [
    Column::whole("AGE"),
    Column::wide("TIME"),
    Column::leave("SEVERITY", 0),
    Column::whole("TYPE"),
    Column::cut("ABOUT"),
    Column::cut("MESSAGE"),
];

fn rows(events: &[Event]) -> Table {
    let now = SystemClock.now();
    let short = short_ids(events.iter().map(|event| event.job_id.as_str()));
    let row = |(event, short): (&Event, String)| {
        let [at, severity, what, about] = facts(event);
        let about = if event.job_id.is_empty() { about.into() } else { Cell::id(&about, short) };
        let message = event.message.as_str().into();
        [age(now, event.time).into(), at.into(), Cell::state(severity), what.into(), about, message]
    };
    Table::new(COLUMNS, events.iter().zip(short).map(row))
}

/// Reads the last `limit` events, the newest first.
async fn past(
    server: &mut Server,
    args: &EventsArgs,
    limit: usize,
) -> Result<proto::ListEventsResponse, Failure> {
    let mut request = proto::ListEventsRequest {
        topics: args.topics.iter().copied().map(i32::from).collect(),
        script_types: args.types.iter().copied().map(i32::from).collect(),
        queues: args.queues.iter().map(ToString::to_string).collect(),
        actor_ids: args.actors.clone(),
        job_ids: args.jobs.clone(),
        caller_id: args.caller.clone().unwrap_or_default(),
        min_severity: args.severity.map_or(0, i32::from),
        time_after: args.since.map(Into::into),
        ..Default::default()
    };
    let mut all = proto::ListEventsResponse::default();
    while all.events.len() < limit {
        request.page_size = i32::try_from((limit - all.events.len()).min(PAGE_SIZE)).unwrap_or(1);
        let page = server.list_events(client::call(request.clone())).await?.into_inner();
        all.events.extend(page.events);
        all.next_page_token.clone_from(&page.next_page_token);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    Ok(all)
}

/// Renders an event as one line.
fn line(event: &Event) -> String {
    let [at, severity, what, about] = facts(event);
    format!("{at}  {severity:<7}  {what:<20}  {about:<20}  {}", event.message.replace('\n', " "))
}

/// Returns time, severity, type, subject and message of an event.
fn facts(event: &Event) -> [String; 4] {
    let about = [&event.job_id, &event.actor_id].into_iter().find(|id| !id.is_empty()).cloned();
    let about = about.unwrap_or_else(|| match event.script_type {
        0 if !event.queue.is_empty() => event.queue.clone(),
        0 => or_dash(&event.node),
        number => script_type_word(number),
    });
    [
        time(event.time),
        word(event.severity().as_str_name(), "SEVERITY_"),
        word(event.r#type().as_str_name(), "TYPE_"),
        about,
    ]
}

/// Prints one event.
fn print(out: Output, event: &Event) -> Result<(), Failure> {
    out.item(event, &event.event_id, || line(event))
}

/// Parses a topic.
fn topic(raw: &str) -> Result<Topic, String> {
    Topic::from_str_name(&format!("TOPIC_{}", raw.to_ascii_uppercase()))
        .filter(|topic| *topic != Topic::Unspecified)
        .ok_or_else(|| format!("{raw:?} is not a topic: use actor, health, job, scaling, queue or server"))
}

/// Parses a severity.
fn severity(raw: &str) -> Result<Severity, String> {
    let raw = if raw.eq_ignore_ascii_case("warn") { "warning" } else { raw };
    Severity::from_str_name(&format!("SEVERITY_{}", raw.to_ascii_uppercase()))
        .filter(|severity| *severity != Severity::Unspecified)
        .ok_or_else(|| format!("{raw:?} is not a severity: use debug, info, warning or error"))
}
