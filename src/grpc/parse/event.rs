//! Requests about events, and the fields that all watches share.

use std::time::Duration;

use crate::domain::actors::ActorSelector;
use crate::domain::model::event::cursor::{Cursor, EventStream};
use crate::domain::model::event::filter::EventFilter;
use crate::domain::model::event::{Severity, Topic};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::violation::Violations;
use crate::grpc::parse::selector;
use crate::grpc::parse::value::{
    ListRequest, duration, each, given, optional, page_size, script_type, timestamp, unknown,
};
use crate::grpc::render::SNAPSHOT_MARK;
use crate::proto as pb;
use crate::proto::event as of_event;

/// Default heartbeat interval.
const HEARTBEAT: Duration = Duration::from_secs(15);
const SHORTEST_HEARTBEAT: Duration = Duration::from_secs(1);
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(300);

/// The beginning of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Begins now, with a snapshot.
    Snapshot,
    /// Begins now, without a snapshot.
    Now,
    /// After a cursor.
    After(Cursor),
}

/// A parsed WatchEvents request.
#[derive(Debug)]
pub(crate) struct WatchEvents {
    /// The filter.
    pub(crate) filter: EventFilter,
    /// The beginning.
    pub(crate) begin: Begin,
    /// The heartbeat interval.
    pub(crate) heartbeat: Duration,
    /// Adds the usage of actors.
    pub(crate) include_usage: bool,
}

/// A parsed WatchHealth request.
#[derive(Debug)]
pub(crate) struct WatchHealth {
    /// The actors.
    pub(crate) selector: ActorSelector,
    /// The filter, without labels.
    pub(crate) filter: EventFilter,
    /// The beginning.
    pub(crate) begin: Begin,
    /// The heartbeat interval.
    pub(crate) heartbeat: Duration,
}

/// Parses a WatchEvents request.
pub(crate) fn watch_events(request: pb::WatchEventsRequest) -> Result<WatchEvents, Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let filter = EventFilter {
        topics: each(v, "topics", request.topics, topic),
        script_types: each(v, "script_types", request.script_types, script_type),
        queues: selector::event_queues(v, request.queues),
        actor_ids: each(v, "actor_ids", request.actor_ids, |raw| ActorId::parse(&raw)),
        job_ids: each(v, "job_ids", request.job_ids, |raw| JobId::parse(&raw)),
        caller_id: given(request.caller_id),
        min_severity: v.keep("min_severity", severity(request.min_severity)).flatten(),
        since: None,
        until: None,
    };
    let begin = begin(v, request.include_snapshot, &request.resume_after, &filter);
    let heartbeat = heartbeat(v, request.heartbeat_interval);
    violations.into_result()?;
    Ok(WatchEvents { filter, begin, heartbeat, include_usage: request.include_usage })
}

/// Parses a ListEvents request.
pub(crate) fn list_events(request: pb::ListEventsRequest) -> Result<ListRequest<EventFilter>, Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let filter = EventFilter {
        topics: each(v, "topics", request.topics, topic),
        script_types: each(v, "script_types", request.script_types, script_type),
        queues: selector::event_queues(v, request.queues),
        actor_ids: each(v, "actor_ids", request.actor_ids, |raw| ActorId::parse(&raw)),
        job_ids: each(v, "job_ids", request.job_ids, |raw| JobId::parse(&raw)),
        caller_id: given(request.caller_id),
        min_severity: v.keep("min_severity", severity(request.min_severity)).flatten(),
        since: optional(v, "time_after", request.time_after, timestamp),
        until: optional(v, "time_before", request.time_before, timestamp),
    };
    let limit = v.keep("page_size", page_size(request.page_size));
    match limit {
        Some(limit) if violations.is_empty() => Ok(ListRequest { filter, limit }),
        Some(_) | None => Err(violations),
    }
}

/// Parses a WatchHealth request. No selector means every actor.
pub(crate) fn watch_health(request: pb::WatchHealthRequest) -> Result<WatchHealth, Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let pb::ActorSelector { actor_ids, script_types, labels, all: _, queues } =
        request.selector.unwrap_or_default();
    let selector = ActorSelector {
        ids: each(v, "selector.actor_ids", actor_ids, |raw| ActorId::parse(&raw)),
        script_types: each(v, "selector.script_types", script_types, script_type),
        queues: selector::queues(v, "selector.queues", queues),
        labels: selector::labels(v, "selector.labels", labels),
    };
    let filter = EventFilter {
        topics: vec![Topic::Health],
        actor_ids: selector.ids.clone(),
        script_types: selector.script_types.clone(),
        ..EventFilter::default()
    };
    let begin = begin(v, request.include_snapshot, &request.resume_after, &filter);
    let heartbeat = heartbeat(v, request.heartbeat_interval);
    violations.into_result()?;
    Ok(WatchHealth { selector, filter, begin, heartbeat })
}

/// Parses the beginning of a watch. A cursor of a snapshot stands for the whole snapshot.
fn begin(v: &mut Violations, snapshot: Option<bool>, resume_after: &str, filter: &EventFilter) -> Begin {
    if resume_after.is_empty() || resume_after.starts_with(SNAPSHOT_MARK) {
        return if snapshot.unwrap_or(true) { Begin::Snapshot } else { Begin::Now };
    }
    let streams = filter.streams();
    let cursor = resume(resume_after).and_then(|cursor| {
        cursor.part(&streams).ok_or_else(|| {
            "is of a watch with other topics, script types or queues: use the same filters, or begin without it"
                .to_owned()
        })
    });
    match v.keep("resume_after", cursor) {
        Some(cursor) => Begin::After(cursor),
        None => Begin::Now,
    }
}

/// Parses the cursor of a watch.
pub(crate) fn resume(raw: &str) -> Result<Cursor, String> {
    Cursor::decode(raw).ok_or_else(|| {
        "is not a cursor of this server: use that of the last message, or leave it out".to_owned()
    })
}

/// Parses a heartbeat interval.
pub(crate) fn heartbeat(v: &mut Violations, raw: Option<prost_types::Duration>) -> Duration {
    let parsed = optional(v, "heartbeat_interval", raw, |raw| {
        let span = duration(raw)?;
        if (SHORTEST_HEARTBEAT..=LONGEST_HEARTBEAT).contains(&span) {
            Ok(span)
        } else {
            Err(format!("is {span:?}: use 1 to 300 seconds"))
        }
    });
    parsed.unwrap_or(HEARTBEAT)
}

fn topic(raw: i32) -> Result<Topic, String> {
    const KNOWN: &str = "TOPIC_ACTOR, TOPIC_HEALTH, TOPIC_JOB, TOPIC_SCALING, TOPIC_QUEUE or TOPIC_SERVER";
    match of_event::Topic::try_from(raw) {
        Ok(of_event::Topic::Actor) => Ok(Topic::Actor),
        Ok(of_event::Topic::Health) => Ok(Topic::Health),
        Ok(of_event::Topic::Job) => Ok(Topic::Job),
        Ok(of_event::Topic::Scaling) => Ok(Topic::Scaling),
        Ok(of_event::Topic::Queue) => Ok(Topic::Queue),
        Ok(of_event::Topic::Server) => Ok(Topic::Server),
        Ok(of_event::Topic::Unspecified) => Err(format!("is not set: use {KNOWN}")),
        Err(_) => Err(unknown(raw, KNOWN)),
    }
}

fn severity(raw: i32) -> Result<Option<Severity>, String> {
    match of_event::Severity::try_from(raw) {
        Ok(of_event::Severity::Unspecified) => Ok(None),
        Ok(of_event::Severity::Debug) => Ok(Some(Severity::Debug)),
        Ok(of_event::Severity::Info) => Ok(Some(Severity::Info)),
        Ok(of_event::Severity::Warning) => Ok(Some(Severity::Warning)),
        Ok(of_event::Severity::Error) => Ok(Some(Severity::Error)),
        Err(_) => Err(unknown(raw, "SEVERITY_DEBUG, SEVERITY_INFO, SEVERITY_WARNING or SEVERITY_ERROR")),
    }
}

/// Parses the position in a page token of ListEvents.
pub(crate) fn event_page(position: &str, filter: &EventFilter) -> Option<Cursor> {
    let streams: std::collections::BTreeSet<EventStream> = filter.streams();
    Cursor::decode(position)?.part(&streams)
}
