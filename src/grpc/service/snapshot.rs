//! The snapshot at the beginning of a watch: actors, script types and unfinished jobs that match the filter. It is
//! read in parts, as the client takes them.

use std::collections::VecDeque;

use crate::domain::access::{Permit, Target};
use crate::domain::actors::ActorLifecycleManager;
use crate::domain::jobs::Supervisor;
use crate::domain::model::actor::ActorStatus;
use crate::domain::model::event::Topic;
use crate::domain::model::event::filter::EventFilter;
use crate::domain::model::job::{Job, JobState};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::grpc::access::Sight;
use crate::grpc::render::{self, ActorView};
use crate::grpc::service::SupervisorService;
use crate::grpc::service::own_jobs::own_job;
use crate::grpc::service::queues::read_queue;
use crate::ports::job_queue::{JobCursor, JobFilter};
use crate::proto::snapshot_item::Item;

/// Jobs of one read.
const PAGE: usize = 200;

/// A snapshot under way.
pub(super) struct Snapshot {
    supervisor: Supervisor,
    lifecycle: ActorLifecycleManager,
    permit: Permit,
    sight: Sight,
    /// Only jobs of the caller, and nothing else.
    own_only: bool,
    filter: EventFilter,
    ready: VecDeque<Item>,
    part: Part,
}

/// The part that is read next.
enum Part {
    Actors,
    ScriptTypes,
    Jobs(Option<JobCursor>),
    Over,
}

impl Snapshot {
    /// Begins a snapshot for a filter.
    pub(super) fn new(service: &SupervisorService, permit: Permit, filter: EventFilter) -> Self {
        Self {
            sight: Sight::of(&permit),
            own_only: permit.decide(Target::Call).is_ok_and(|allowed| allowed.own_only),
            permit,
            supervisor: service.supervisor.clone(),
            lifecycle: service.lifecycle.clone(),
            filter,
            ready: VecDeque::new(),
            part: Part::Actors,
        }
    }

    /// Returns the next item; None at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Item>, SupervisorError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            match &self.part {
                Part::Actors => {
                    if self.is_about(&[Topic::Actor, Topic::Health]) && !self.is_about_jobs_only() {
                        let actors = self.lifecycle.actors().await?;
                        let wanted = actors.into_iter().filter(|actor| self.wants_actor(actor));
                        self.ready = wanted
                            .map(|actor| Item::Actor(self.sight.actor(render::basic_actor(actor))))
                            .collect();
                    }
                    self.part = Part::ScriptTypes;
                }
                Part::ScriptTypes => {
                    if self.is_about(&[Topic::Scaling, Topic::Queue])
                        && !self.is_about_jobs_only()
                        && self.filter.actor_ids.is_empty()
                    {
                        let mut wanted = ScriptType::ALL.to_vec();
                        wanted.retain(|each| self.wants_type(*each) && self.wants_queue((*each).into()));
                        // Assigned at once, because this future may be dropped at any await.
                        let mut read = VecDeque::new();
                        for script_type in wanted {
                            let status = self.lifecycle.script_type(script_type).await?;
                            let status = render::script_type_status(status, ActorView::Basic);
                            read.push_back(Item::ScriptType(self.sight.script_type(status)));
                        }
                        let named = self.filter.queues.iter().filter(|queue| queue.default_type().is_none());
                        for queue in named {
                            let queue =
                                read_queue(&self.supervisor, &self.lifecycle, self.sight, *queue).await?;
                            read.push_back(Item::Queue(queue));
                        }
                        self.ready = read;
                    }
                    self.part = Part::Jobs(None);
                }
                Part::Jobs(_) if !self.is_about(&[Topic::Job]) => self.part = Part::Over,
                Part::Jobs(after) => {
                    let page = self.supervisor.jobs(&self.jobs(), after.as_ref(), PAGE).await?;
                    let wanted = page.jobs.into_iter().filter(|job| self.wants_job(job));
                    self.ready = wanted.map(|job| Item::Job(own_job(&self.permit, job))).collect();
                    self.part = page.next.map_or(Part::Over, |next| Part::Jobs(Some(next)));
                }
                Part::Over => return Ok(None),
            }
        }
    }

    fn is_about(&self, topics: &[Topic]) -> bool {
        self.filter.topics.is_empty() || topics.iter().any(|topic| self.filter.topics.contains(topic))
    }

    fn is_about_jobs_only(&self) -> bool {
        self.own_only || !self.filter.job_ids.is_empty() || self.filter.caller_id.is_some()
    }

    fn wants_type(&self, script_type: ScriptType) -> bool {
        self.filter.script_types.is_empty() || self.filter.script_types.contains(&script_type)
    }

    fn wants_queue(&self, queue: QueueName) -> bool {
        self.filter.queues.is_empty() || self.filter.queues.contains(&queue)
    }

    fn wants_actor(&self, actor: &ActorStatus) -> bool {
        self.wants_type(actor.record.config.script_type)
            && self.wants_queue(actor.record.config.queue())
            && (self.filter.actor_ids.is_empty() || self.filter.actor_ids.contains(&actor.record.id))
    }

    fn jobs(&self) -> JobFilter {
        JobFilter {
            script_types: self.filter.script_types.clone(),
            queues: self.filter.queues.clone(),
            states: JobState::ALL.into_iter().filter(|state| !state.is_terminal()).collect(),
            caller_id: self.filter.caller_id.clone(),
            permit: (!self.permit.is_unlimited()).then(|| self.permit.clone()),
            ..JobFilter::default()
        }
    }

    fn wants_job(&self, job: &Job) -> bool {
        let actors = &self.filter.actor_ids;
        (actors.is_empty() || job.actor_id.as_ref().is_some_and(|actor| actors.contains(actor)))
            && (self.filter.job_ids.is_empty() || self.filter.job_ids.contains(&job.id))
    }
}
