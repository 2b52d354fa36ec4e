//! Reasons for which a job waits: its time, its queue, and the actors that could take it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::actor::{ActorState, ActorStatus};
use crate::domain::model::id::ActorId;
use crate::domain::model::job::{Job, JobState};
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::ports::queue_admin::{Paused, QueueState};

/// Reason for which a job waits. Where several hold, the first one in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitReason {
    /// The time of the job has not come.
    Scheduled {
        /// Time of the job.
        until: Option<SystemTime>,
    },
    /// The delay before its next attempt is not over.
    RetryDelay {
        /// End of the pause.
        until: Option<SystemTime>,
    },
    /// The queue is paused.
    QueuePaused {
        /// Script type of the queue.
        script_type: ScriptType,
        /// Start and reason of the pause.
        paused: Paused,
    },
    /// The actor that it is for does not run.
    TargetNotRunning {
        /// The actor.
        actor: ActorId,
        /// State and detail of the actor; None if there is no such actor.
        state: Option<(ActorState, String)>,
    },
    /// No actor of the script type runs.
    NoRunningActor {
        /// Script type of the job.
        script_type: ScriptType,
        /// Number of this machine's actors in each state.
        states: BTreeMap<ActorState, u32>,
    },
    /// All actors have other jobs, or are about to take this one.
    ActorsBusy {
        /// Script type of the job.
        script_type: ScriptType,
        /// Actors that run.
        running: u32,
        /// Jobs that wait, this one included.
        queued: u64,
    },
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
        Ok(wait_reason(job, &queue, actors))
    }
}

/// Decides why a job waits.
fn wait_reason(job: &Job, queue: &QueueState, actors: Actors) -> Option<WaitReason> {
    let script_type = job.spec.script_type;
    match job.state {
        JobState::Running | JobState::Succeeded | JobState::Failed | JobState::Cancelled => return None,
        JobState::Scheduled => return Some(WaitReason::Scheduled { until: job.due_at }),
        JobState::RetryWait => return Some(WaitReason::RetryDelay { until: job.due_at }),
        JobState::Queued => {}
    }
    if let Some(paused) = queue.paused.clone() {
        return Some(WaitReason::QueuePaused { script_type, paused });
    }
    if let Some(id) = &job.spec.target_actor {
        let state = actors.target.as_ref().map(|actor| (actor.state, actor.message.clone()));
        if state.as_ref().is_none_or(|(state, _why)| *state != ActorState::Running) {
            return Some(WaitReason::TargetNotRunning { actor: id.clone(), state });
        }
    }
    let mut states: BTreeMap<ActorState, u32> = BTreeMap::new();
    for actor in &actors.here {
        *states.entry(actor.state).or_default() += 1;
    }
    let running = states.get(&ActorState::Running).copied().unwrap_or_default() + actors.running_elsewhere;
    Some(match running {
        0 => WaitReason::NoRunningActor { script_type, states },
        running => WaitReason::ActorsBusy { script_type, running, queued: queue.depth.queued },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::id::JobId;
    use crate::domain::model::job::JobSpec;
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
        let why = |job: &Job, queue: &QueueState, actors: &Actors| wait_reason(job, queue, actors.clone());
        let script_type = ScriptType::OSIS;
        for state in [JobState::Running, JobState::Succeeded, JobState::Failed, JobState::Cancelled] {
            assert_eq!(why(&job(state, None), &closed, &none), None, "{state}");
        }
        let scheduled = why(&job(JobState::Scheduled, None), &closed, &none);
        assert_eq!(scheduled, Some(WaitReason::Scheduled { until: None }));
        let queued = job(JobState::Queued, None);
        assert_eq!(why(&queued, &closed, &none), Some(WaitReason::QueuePaused { script_type, paused }));
        let nobody = WaitReason::NoRunningActor { script_type, states: BTreeMap::new() };
        assert_eq!(why(&queued, &open, &none), Some(nobody));
        let busy = WaitReason::ActorsBusy { script_type, running: 2, queued: 3 };
        assert_eq!(why(&queued, &open, &two), Some(busy));
        let pinned = job(JobState::Queued, Some("osis_9"));
        let target = WaitReason::TargetNotRunning { actor: ActorId::parse("osis_9").unwrap(), state: None };
        assert_eq!(why(&pinned, &open, &two), Some(target));
    }
}
