//! Events of jobs, which the functions on queues write as flat fields.

use std::time::SystemTime;

use super::error_of;
use crate::domain::model::event::{Cause, Event, EventKind, Source, message};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{JobState, Priority};
use crate::domain::model::queue_name::QueueName;

/// Decodes an event of a job from its fields; see `emit_job_event` in `lua/records.lua`.
pub(in crate::adapters::redis) fn decode_job_event<'a>(
    queue: QueueName,
    at: SystemTime,
    get: impl Fn(&str) -> Option<&'a str>,
) -> Option<Event> {
    let id = JobId::parse(get("id")?).ok()?;
    let actor_id = get("actor").and_then(|actor| ActorId::parse(actor).ok());
    let old = get("old").and_then(JobState::parse);
    let (what, source, reason, message) = match get("state")? {
        "deleted" => (EventKind::JobDeleted, Source::Caller, String::new(), message::of_deleted_job(&id)),
        "updated" => {
            let (old, new) = get("priority")?.split_once(' ')?;
            let level = |text: &str| Priority::new(text.parse().ok()?).ok();
            let (old, new) = (level(old)?, level(new)?);
            let message = message::of_updated_job(&id, old, new);
            (EventKind::JobUpdated { old, new }, Source::Caller, String::new(), message)
        }
        state => {
            let new = JobState::parse(state)?;
            let attempt = get("attempt").and_then(|attempt| attempt.parse().ok()).unwrap_or(0);
            let error = get("error").map(error_of);
            let reason = get("reason").unwrap_or_default().to_owned();
            let why = error.as_ref().map_or(reason.as_str(), |error| error.message.as_str());
            let message = message::of_job(&id, old, new, attempt, actor_id.as_ref(), why);
            let by_caller = old.is_none() || new == JobState::Cancelled;
            let source = if by_caller { Source::Caller } else { Source::Queue };
            (EventKind::JobStateChanged { old, new, attempt, error }, source, reason, message)
        }
    };
    let cause = Cause { reason, ..Cause::from(source) };
    let mut event = Event::new(at, cause, what, message);
    event.script_type = queue.default_type();
    event.queue = Some(queue).filter(|_queue| event.script_type.is_none());
    event.actor_id = actor_id;
    event.job_id = Some(id);
    event.caller_id = get("caller").unwrap_or_default().to_owned();
    Some(event)
}
