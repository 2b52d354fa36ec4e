//! Reasons for which a job waits: its time, its queue, and the actors that could take it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::actor::{ActorState, ActorStatus};
use crate::domain::model::flow::{self, FlowGate};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{Job, JobState};
use crate::domain::model::queue_name::QueueName;
use crate::error::SupervisorError;
use crate::ports::queue_admin::{Paused, QueueState};

/// Reason for which a job waits. Reasons come in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitReason {
    /// The time of the job has not come.
    Scheduled {
        /// Time of the job.
        until: Option<SystemTime>,
    },
    /// The job waits for the end of another one, which has its unique key.
    OtherJob {
        /// Id of the other job; its own if its actor has not stopped it since it was cancelled.
        job: Option<JobId>,
        /// True for the job itself.
        is_itself: bool,
    },
    /// The delay before its next attempt is not over.
    RetryDelay {
        /// End of the pause.
        until: Option<SystemTime>,
    },
    /// The queue is paused.
    QueuePaused {
        /// Name of the queue.
        queue: QueueName,
        /// Start and reason of the pause.
        paused: Paused,
    },
    /// No job of its flow key is handed out.
    FlowKey {
        /// The key.
        key: String,
        /// Pause, limit of jobs that run, or rate.
        gate: FlowGate,
        /// Some of the jobs of the key that run.
        jobs: Vec<JobId>,
    },
    /// The actor that it is for does not run.
    TargetNotRunning {
        /// The actor.
        actor: ActorId,
        /// State and detail of the actor; None if there is no such actor.
        state: Option<(ActorState, String)>,
    },
    /// No actor of the queue runs.
    NoRunningActor {
        /// Queue of the job.
        queue: QueueName,
        /// Number of this machine's actors in each state.
        states: BTreeMap<ActorState, u32>,
        /// The first of them that tells what has happened to it: its name, its state and its words.
        example: Option<(String, ActorState, String)>,
    },
    /// All actors have other jobs, or are about to take this one.
    ActorsBusy {
        /// Queue of the job.
        queue: QueueName,
        /// Actors that run.
        running: u32,
        /// Jobs that wait, this one included.
        queued: u64,
    },
}

impl WaitReason {
    /// Returns the reason without the words of actors, for callers who may not read actors: they may quote output of programs.
    #[must_use]
    pub fn without_words(self) -> Self {
        match self {
            Self::TargetNotRunning { actor, state } => {
                Self::TargetNotRunning { actor, state: state.map(|(state, _words)| (state, String::new())) }
            }
            Self::NoRunningActor { queue, states, example: _ } => {
                Self::NoRunningActor { queue, states, example: None }
            }
            other @ (Self::OtherJob { .. }
            | Self::Scheduled { .. }
            | Self::RetryDelay { .. }
            | Self::QueuePaused { .. }
            | Self::FlowKey { .. }
            | Self::ActorsBusy { .. }) => other,
        }
    }
}

/// Everything that can keep a job waiting.
pub(super) struct Surroundings {
    /// The queue of the job.
    queue: QueueState,
    /// The actors that could take it.
    actors: Actors,
    /// Flow key of the job while that gives none: the key, the reason, and some jobs that run.
    flow: Option<(String, FlowGate, Vec<JobId>)>,
}

/// The actors that could take a job.
#[derive(Debug, Clone, Default)]
struct Actors {
    /// Actors of the queue on this machine.
    here: Vec<ActorStatus>,
    /// Number of running actors of the queue on other machines.
    running_elsewhere: u32,
    /// The one that the job is for, if it is for one and that is there.
    target: Option<ActorStatus>,
}

impl ActorLifecycleManager {
    /// Finds out why a job waits; None for one that does not wait any more.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn why_it_waits(&self, job: &Job) -> Result<Option<WaitReason>, SupervisorError> {
        if job.state.is_terminal() || job.state == JobState::Running {
            return Ok(None);
        }
        Ok(wait_reasons(job, &self.surroundings_of(job).await?).into_iter().next())
    }

    /// Looks at everything that can keep a job waiting.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub(super) async fn surroundings_of(&self, job: &Job) -> Result<Surroundings, SupervisorError> {
        let name = job.spec.queue();
        let queue = self.supervisor().queue().state(name).await?;
        let target = match &job.spec.target_actor {
            None => None,
            Some(id) => match self.actor(id).await {
                Ok(actor) => Some(actor),
                Err(SupervisorError::ActorNotFound(_)) => None,
                Err(error) => return Err(error),
            },
        };
        let actors = Actors {
            here: self.core.registry.statuses_at(name),
            running_elsewhere: self.core.running_elsewhere(name),
            target,
        };
        Ok(Surroundings { queue, actors, flow: self.flow_gate_of(job).await? })
    }

    /// Finds out whether the flow key of a job gives none.
    async fn flow_gate_of(
        &self,
        job: &Job,
    ) -> Result<Option<(String, FlowGate, Vec<JobId>)>, SupervisorError> {
        let settings = self.supervisor().settings().of(job.spec.typed_queue());
        let key = flow::key_of(&job.spec).filter(|_key| !settings.flow.is_empty());
        let Some(key) = key else { return Ok(None) };
        let standing = self.supervisor().queue().flow_standing(job.spec.queue(), key, &job.id).await?;
        if standing.is_running {
            return Ok(None);
        }
        let now = self.supervisor().clock().now();
        let over_rate = || {
            let (rate, opens) = (settings.flow.rate_of(key)?, standing.opens?);
            (opens > now).then_some(FlowGate::OverRate { rate, opens })
        };
        let gate = settings.flow.gate_of(key, standing.running, now).or_else(over_rate);
        Ok(gate.map(|gate| (key.to_owned(), gate, standing.jobs)))
    }
}

/// Finds every reason for which a job waits; none for one that does not wait.
pub(super) fn wait_reasons(job: &Job, around: &Surroundings) -> Vec<WaitReason> {
    let mut reasons = Vec::new();
    match job.state {
        JobState::Running | JobState::Succeeded | JobState::Failed | JobState::Cancelled => return reasons,
        JobState::Blocked => {
            let is_itself = job.blocked_by.as_ref() == Some(&job.id);
            reasons.push(WaitReason::OtherJob { job: job.blocked_by.clone(), is_itself });
        }
        JobState::Scheduled => reasons.push(WaitReason::Scheduled { until: job.due_at }),
        JobState::RetryWait => reasons.push(WaitReason::RetryDelay { until: job.due_at }),
        JobState::Queued => {}
    }
    if let Some(paused) = around.queue.paused.clone() {
        reasons.push(WaitReason::QueuePaused { queue: job.spec.queue(), paused });
    }
    if let Some((key, gate, jobs)) = around.flow.clone() {
        reasons.push(WaitReason::FlowKey { key, gate, jobs });
    }
    let target = job.spec.target_actor.as_ref().and_then(|id| target_not_running(id, &around.actors));
    match (target, actors_that_run(job, around)) {
        (Some(target), _others) => reasons.push(target),
        // A job whose time has not come would not be taken by a free actor either.
        (None, WaitReason::ActorsBusy { .. }) if job.state != JobState::Queued => {}
        (None, others) => reasons.push(others),
    }
    reasons
}

fn target_not_running(id: &ActorId, actors: &Actors) -> Option<WaitReason> {
    let state = actors.target.as_ref().map(|actor| (actor.state, actor.message.clone()));
    let runs = state.as_ref().is_some_and(|(state, _why)| *state == ActorState::Running);
    (!runs).then(|| WaitReason::TargetNotRunning { actor: id.clone(), state })
}

/// The reason that the actors of the queue are.
fn actors_that_run(job: &Job, around: &Surroundings) -> WaitReason {
    let (queue, actors) = (job.spec.queue(), &around.actors);
    let mut states: BTreeMap<ActorState, u32> = BTreeMap::new();
    for actor in &actors.here {
        *states.entry(actor.state).or_default() += 1;
    }
    let running = states.get(&ActorState::Running).copied().unwrap_or_default() + actors.running_elsewhere;
    match running {
        0 => {
            let with_words = actors.here.iter().find(|actor| !actor.message.is_empty());
            let example = with_words
                .map(|actor| (actor.record.config.name.clone(), actor.state, actor.message.clone()));
            WaitReason::NoRunningActor { queue, states, example }
        }
        running => WaitReason::ActorsBusy { queue, running, queued: around.queue.depth.queued },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::id::JobId;
    use crate::domain::model::job::JobSpec;
    use crate::domain::model::script_type::ScriptType;
    use crate::ports::queue_admin::QueueDepth;

    fn job(state: JobState, target: Option<&str>) -> Job {
        let mut spec = JobSpec::new(ScriptType::OSIS, "1");
        spec.target_actor = target.map(|id| ActorId::parse(id).unwrap());
        Job { state, ..Job::accepted(JobId::mint(), spec, SystemTime::UNIX_EPOCH) }
    }

    #[test]
    fn the_first_reason_that_holds_is_told() {
        let open =
            QueueState { depth: QueueDepth { queued: 3, ..QueueDepth::default() }, ..QueueState::default() };
        let paused = Paused { since: SystemTime::UNIX_EPOCH, reason: "maintenance".to_owned(), by: None };
        let closed = QueueState { paused: Some(paused.clone()), ..open };
        let none = Actors::default();
        let two = Actors { running_elsewhere: 2, ..Actors::default() };
        let why = |job: &Job, queue: &QueueState, actors: &Actors| {
            let around = Surroundings { queue: queue.clone(), actors: actors.clone(), flow: None };
            wait_reasons(job, &around).into_iter().next()
        };
        let queue = QueueName::from(ScriptType::OSIS);
        for state in [JobState::Running, JobState::Succeeded, JobState::Failed, JobState::Cancelled] {
            assert_eq!(why(&job(state, None), &closed, &none), None, "{state}");
        }
        let scheduled = why(&job(JobState::Scheduled, None), &closed, &none);
        assert_eq!(scheduled, Some(WaitReason::Scheduled { until: None }));
        let queued = job(JobState::Queued, None);
        assert_eq!(why(&queued, &closed, &none), Some(WaitReason::QueuePaused { queue, paused }));
        let nobody = WaitReason::NoRunningActor { queue, states: BTreeMap::new(), example: None };
        assert_eq!(why(&queued, &open, &none), Some(nobody));
        let busy = WaitReason::ActorsBusy { queue, running: 2, queued: 3 };
        assert_eq!(why(&queued, &open, &two), Some(busy));
        let pinned = job(JobState::Queued, Some("osis_9"));
        let target = WaitReason::TargetNotRunning { actor: ActorId::parse("osis_9").unwrap(), state: None };
        assert_eq!(why(&pinned, &open, &two), Some(target));
    }

    #[test]
    fn every_reason_that_holds_is_told_in_order() {
        let paused = Paused { since: SystemTime::UNIX_EPOCH, reason: String::new(), by: None };
        let queue = QueueState { paused: Some(paused), ..QueueState::default() };
        let words = |job: &Job, running_elsewhere: u32| -> Vec<&str> {
            let actors = Actors { running_elsewhere, ..Actors::default() };
            let around = Surroundings { queue: queue.clone(), actors, flow: None };
            let word = |reason: &WaitReason| match reason {
                WaitReason::OtherJob { .. } => "other job",
                WaitReason::Scheduled { .. } => "scheduled",
                WaitReason::RetryDelay { .. } => "retry delay",
                WaitReason::QueuePaused { .. } => "paused",
                WaitReason::FlowKey { .. } => "key",
                WaitReason::TargetNotRunning { .. } => "target",
                WaitReason::NoRunningActor { .. } => "nobody",
                WaitReason::ActorsBusy { .. } => "busy",
            };
            wait_reasons(job, &around).iter().map(word).collect()
        };
        assert_eq!(words(&job(JobState::Queued, None), 1), ["paused", "busy"]);
        assert_eq!(words(&job(JobState::Queued, None), 0), ["paused", "nobody"]);
        assert_eq!(words(&job(JobState::Queued, Some("osis_9")), 1), ["paused", "target"]);
        assert_eq!(words(&job(JobState::Scheduled, None), 1), ["scheduled", "paused"]);
        assert_eq!(words(&job(JobState::RetryWait, None), 0), ["retry delay", "paused", "nobody"]);
        assert!(words(&job(JobState::Running, None), 0).is_empty());
    }
}
