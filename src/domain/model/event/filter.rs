//! Filters of events. A part that is left empty lets everything through; an event has to pass all parts.

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::domain::model::event::cursor::EventStream;
use crate::domain::model::event::{Event, Severity, Topic};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;

/// A filter of events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Topics.
    pub topics: Vec<Topic>,
    /// Script types.
    pub script_types: Vec<ScriptType>,
    /// Queues. Events of jobs of named queues pass only by the name of their queue.
    pub queues: Vec<QueueName>,
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
            && one_of(
                !self.queues.is_empty(),
                event.queue().is_some_and(|queue| self.queues.contains(&queue)),
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
        let Self { topics, script_types, queues, actor_ids, job_ids, caller_id, min_severity, since, until } =
            self;
        let any_job = topics.iter().all(|topic| *topic == Topic::Job);
        let of_streams = match topics.is_empty() {
            true => script_types.is_empty() && queues.is_empty(),
            // Events of named queues have no script type.
            false => any_job && (script_types.is_empty() || queues.is_empty()),
        };
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
            let queues = if self.queues.is_empty() { &QueueName::DEFAULTS[..] } else { &self.queues };
            let is_of_types = |queue: &QueueName| {
                let of = |script_type| self.script_types.contains(&script_type);
                self.script_types.is_empty() || queue.default_type().is_some_and(of)
            };
            streams.extend(queues.iter().copied().filter(is_of_types).map(EventStream::Jobs));
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

        let gpu = QueueName::parse("gpu").unwrap();
        let queues = vec![gpu, ScriptType::SAL.into()];
        let of_queues = EventFilter { topics: vec![Topic::Job], queues, ..EventFilter::default() };
        let named = [EventStream::Jobs(gpu), EventStream::Jobs(ScriptType::SAL.into())];
        assert_eq!(streams(of_queues.clone()), named);
        let of_type = EventFilter { script_types: vec![ScriptType::SAL], ..of_queues.clone() };
        assert_eq!(streams(of_type), named[1..]);
        let every_topic = EventFilter { topics: Vec::new(), ..of_queues };
        assert_eq!(streams(every_topic)[0], EventStream::Control);
    }

    #[test]
    fn a_queue_is_chosen_by_its_name_and_a_default_one_by_that_of_its_type() {
        let event = |script_type: Option<ScriptType>, queue: Option<&str>| {
            let event = Event::new(SystemTime::UNIX_EPOCH, Source::Caller, EventKind::QueuePaused, "m");
            Event { script_type, queue: queue.map(|name| QueueName::parse(name).unwrap()), ..event }
        };
        let of =
            |queue| EventFilter { queues: vec![QueueName::parse(queue).unwrap()], ..EventFilter::default() };
        let python = Some(ScriptType::Python);
        let actor_of_gpu = event(python, Some("gpu"));
        assert!(of("gpu").lets_through(&actor_of_gpu) && !of("python").lets_through(&actor_of_gpu));
        assert!(of("python").lets_through(&event(python, None)));
        assert!(of("gpu").lets_through(&event(None, Some("gpu"))));
        assert!(!of("gpu").lets_through(&event(None, None)), "an event about no queue");
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
            EventFilter { queues: vec![ScriptType::V.into()], ..of(vec![Topic::Job], vec![]) },
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
            EventFilter { queues: vec![ScriptType::V.into()], ..EventFilter::default() },
            EventFilter { queues: vec![ScriptType::V.into()], ..of(vec![Topic::Job], vec![ScriptType::V]) },
            EventFilter { min_severity: Some(Severity::Info), ..EventFilter::default() },
            EventFilter { caller_id: Some("me".to_owned()), ..EventFilter::default() },
            EventFilter { since: Some(SystemTime::UNIX_EPOCH), ..EventFilter::default() },
        ] {
            assert!(!filter.lets_whole_streams_through(), "{filter:?}");
        }
    }
}
