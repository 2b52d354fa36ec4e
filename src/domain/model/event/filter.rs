//! Filters of events. A part that is left empty lets everything through; an event has to pass all parts.

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::domain::model::event::cursor::EventStream;
use crate::domain::model::event::{Event, Severity, Topic};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::script_type::ScriptType;

/// A filter of events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Topics.
    pub topics: Vec<Topic>,
    /// Script types.
    pub script_types: Vec<ScriptType>,
    /// Actors.
    pub actor_ids: Vec<ActorId>,
    /// Jobs.
    pub job_ids: Vec<JobId>,
    /// Caller of jobs.
    pub caller_id: Option<String>,
    /// Least severity.
    pub min_severity: Option<Severity>,
    /// Earliest time.
    pub since: Option<SystemTime>,
    /// Time before which events happened.
    pub until: Option<SystemTime>,
}

impl EventFilter {
    /// Makes the filter of all events about one job.
    pub fn of_job(job_id: JobId, script_type: ScriptType) -> Self {
        Self {
            topics: vec![Topic::Job],
            script_types: vec![script_type],
            job_ids: vec![job_id],
            ..Self::default()
        }
    }

    /// True when an event passes.
    pub fn lets_through(&self, event: &Event) -> bool {
        let one_of = |wanted: bool, is: bool| !wanted || is;
        let actor = event.actor_id.as_ref();
        one_of(!self.topics.is_empty(), self.topics.contains(&event.kind.topic()))
            && one_of(
                !self.script_types.is_empty(),
                event.script_type.is_some_and(|script_type| self.script_types.contains(&script_type)),
            )
            && one_of(!self.actor_ids.is_empty(), actor.is_some_and(|actor| self.actor_ids.contains(actor)))
            && one_of(
                !self.job_ids.is_empty(),
                event.job_id.as_ref().is_some_and(|job| self.job_ids.contains(job)),
            )
            && self.caller_id.as_ref().is_none_or(|caller| *caller == event.caller_id)
            && self.min_severity.is_none_or(|least| event.severity >= least)
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at < until)
    }

    /// True when every event of [its streams](Self::streams) passes, so that none needs to be looked at.
    pub fn lets_whole_streams_through(&self) -> bool {
        let Self { topics, script_types, actor_ids, job_ids, caller_id, min_severity, since, until } = self;
        let any_job = topics.iter().all(|topic| *topic == Topic::Job);
        let of_streams = if topics.is_empty() { script_types.is_empty() } else { any_job };
        of_streams
            && actor_ids.is_empty()
            && job_ids.is_empty()
            && caller_id.is_none()
            && min_severity.is_none()
            && since.is_none()
            && until.is_none()
    }

    /// The streams in which such events stand; never none, so that there is always something to wait for.
    pub fn streams(&self) -> BTreeSet<EventStream> {
        let about = |topic: Topic| self.topics.is_empty() || self.topics.contains(&topic);
        let of_jobs_only = !self.job_ids.is_empty() || self.caller_id.is_some();
        let mut streams = BTreeSet::new();
        if about(Topic::Job) {
            let types = ScriptType::ALL.into_iter();
            let wanted =
                types.filter(|each| self.script_types.is_empty() || self.script_types.contains(each));
            streams.extend(wanted.map(|script_type| EventStream::Jobs(script_type.into())));
        }
        let others = self.topics.is_empty() || self.topics.iter().any(|topic| *topic != Topic::Job);
        if streams.is_empty() || (others && !of_jobs_only) {
            streams.insert(EventStream::Control);
        }
        streams
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::event::{EventKind, Source};

    #[test]
    fn only_streams_that_can_have_such_events_are_read() {
        let streams = |filter: EventFilter| filter.streams().into_iter().collect::<Vec<_>>();
        let of_jobs: Vec<EventStream> = ScriptType::ALL.map(|each| EventStream::Jobs(each.into())).to_vec();
        assert_eq!(streams(EventFilter::default()).len(), of_jobs.len() + 1);
        let actors = EventFilter { topics: vec![Topic::Actor, Topic::Health], ..EventFilter::default() };
        assert_eq!(streams(actors), [EventStream::Control]);
        let job = EventFilter::of_job(JobId::parse("j").unwrap(), ScriptType::SAL);
        assert_eq!(streams(job), [EventStream::Jobs(ScriptType::SAL.into())]);
        let caller = EventFilter { caller_id: Some("me".to_owned()), ..EventFilter::default() };
        assert!(streams(caller).iter().all(|stream| of_jobs.contains(stream)));
    }

    #[test]
    fn an_event_has_to_pass_every_part() {
        let now = SystemTime::UNIX_EPOCH;
        let event = Event::new(now, Source::Caller, EventKind::QueuePaused, "m").of_type(ScriptType::V);
        let passing = EventFilter {
            topics: vec![Topic::Queue],
            script_types: vec![ScriptType::V],
            min_severity: Some(Severity::Info),
            since: Some(now),
            ..EventFilter::default()
        };
        assert!(passing.lets_through(&event));
        let actor = ActorId::parse("a").unwrap();
        for refusing in [
            EventFilter { topics: vec![Topic::Actor], ..passing.clone() },
            EventFilter { script_types: vec![ScriptType::SAL], ..passing.clone() },
            EventFilter { actor_ids: vec![actor], ..passing.clone() },
            EventFilter { job_ids: vec![JobId::parse("j").unwrap()], ..passing.clone() },
            EventFilter { caller_id: Some("me".to_owned()), ..passing.clone() },
            EventFilter { min_severity: Some(Severity::Warning), ..passing.clone() },
            EventFilter { until: Some(now), ..passing },
        ] {
            assert!(!refusing.lets_through(&event), "{refusing:?}");
        }
    }

    #[test]
    fn a_filter_that_lets_whole_streams_through_refuses_no_event_of_them() {
        let job = |script_type| {
            Event::new(SystemTime::UNIX_EPOCH, Source::Caller, EventKind::JobDeleted, "m")
                .of_type(script_type)
        };
        let of = |topics, script_types| EventFilter { topics, script_types, ..EventFilter::default() };
        let whole = [
            EventFilter::default(),
            of(vec![Topic::Job], vec![]),
            of(vec![Topic::Job], vec![ScriptType::V, ScriptType::SAL]),
        ];
        for filter in whole {
            assert!(filter.lets_whole_streams_through(), "{filter:?}");
            for stream in filter.streams() {
                if let EventStream::Jobs(queue) = stream {
                    assert!(filter.lets_through(&job(queue.default_type().unwrap())), "{filter:?}");
                }
            }
        }
        for filter in [
            of(vec![Topic::Actor], vec![]),
            of(vec![Topic::Job, Topic::Actor], vec![]),
            of(vec![], vec![ScriptType::V]),
            EventFilter { min_severity: Some(Severity::Info), ..EventFilter::default() },
            EventFilter { caller_id: Some("me".to_owned()), ..EventFilter::default() },
            EventFilter { since: Some(SystemTime::UNIX_EPOCH), ..EventFilter::default() },
        ] {
            assert!(!filter.lets_whole_streams_through(), "{filter:?}");
        }
    }
}
