//! Explanation of a job that does not run: what holds it, what is ahead of it, and when it may start.

use std::time::SystemTime;

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::actors::start_estimate::{StartEstimate, estimate_start};
use crate::domain::actors::waiting::{WaitReason, wait_reasons};
use crate::domain::model::flow::FlowGate;
use crate::domain::model::job::{Job, JobState};
use crate::error::SupervisorError;
use crate::ports::job_position::JobPosition;

/// Explanation of a job that does not run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobExplanation {
    /// Every reason for which it waits; empty for a job that runs or has ended.
    pub reasons: Vec<WaitReason>,
    /// Jobs that will be handed out before it, and true if that is exact; None while it does not wait for an actor.
    pub ahead: Option<(u64, bool)>,
    /// Time at which it may start; None while that depends on people, and for a queue whose last ends tell nothing.
    pub start: Option<StartEstimate>,
}

impl ActorLifecycleManager {
    /// Explains why a job does not run, and when it may.
    ///
    /// # Errors
    /// `QueueUnavailable`.
    pub async fn explain(&self, job: &Job) -> Result<JobExplanation, SupervisorError> {
        if job.state.is_terminal() || job.state == JobState::Running {
            return Ok(JobExplanation::default());
        }
        let around = self.surroundings_of(job).await?;
        let position = self.supervisor().queue().position(job.spec.queue(), &job.id).await?;
        let reasons = wait_reasons(job, &around);
        let now = self.supervisor().clock().now();
        let start = start_of(&reasons, position.as_ref(), now);
        Ok(JobExplanation {
            reasons,
            ahead: position.map(|position| (position.ahead, position.is_exact)),
            start,
        })
    }
}

/// Estimates the start of a job that these reasons hold.
fn start_of(
    reasons: &[WaitReason],
    position: Option<&JobPosition>,
    now: SystemTime,
) -> Option<StartEstimate> {
    let by_itself = reasons.iter().all(|reason| match reason {
        WaitReason::Scheduled { .. }
        | WaitReason::RetryDelay { .. }
        | WaitReason::FlowKey { gate: FlowGate::OverRate { .. }, .. }
        | WaitReason::ActorsBusy { .. } => true,
        WaitReason::OtherJob { .. }
        | WaitReason::FlowKey { .. }
        | WaitReason::QueuePaused { .. }
        | WaitReason::TargetNotRunning { .. }
        | WaitReason::NoRunningActor { .. } => false,
    });
    match reasons.first() {
        Some(WaitReason::Scheduled { until } | WaitReason::RetryDelay { until }) if by_itself => {
            (*until).map(|at| StartEstimate { earliest: at.max(now), latest: None, ends: 0 })
        }
        // How many jobs of the key come before it, and so how often the key has to open, is not known.
        Some(WaitReason::FlowKey { gate: FlowGate::OverRate { opens, .. }, .. }) if by_itself => {
            Some(StartEstimate { earliest: *opens, latest: None, ends: 0 })
        }
        Some(_others) if by_itself => position.and_then(|position| estimate_start(position, now)),
        Some(_) | None => None,
    }
}
