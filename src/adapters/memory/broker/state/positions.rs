//! Position of a job in its queue.

use super::{Lane, State};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, JobState};
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_position::{JobPosition, RECENT_ENDS, RecentEnd};

impl State {
    /// Returns the position of a job of this queue; None if it does not wait there for an actor.
    pub(in crate::adapters::memory) fn position_of(
        &self,
        name: QueueName,
        id: &JobId,
    ) -> Option<JobPosition> {
        self.job(id).filter(|job| job.spec.queue() == name && job.state == JobState::Queued)?;
        let waiting = &self.look_at(name).waiting;
        let (place, _waits) = waiting.iter().find(|(_place, waits)| waits.job_id == *id)?;
        let before = waiting.range(..place.clone());
        let ahead = before.filter(|((lane, ..), _waits)| are_taken_in_turn(lane, &place.0)).count() as u64;
        let of_queue = |job: &&Job| job.spec.queue() == name;
        let ended = self.ended.iter().rev().filter_map(|(id, _until)| self.job(id)).filter(of_queue);
        let ends =
            ended.filter_map(|job| Some(RecentEnd { started: job.started_at?, ended: job.finished_at? }));
        let is_exact = self.look_at(name).flow.is_empty();
        Some(JobPosition { ahead, is_exact, ends: ends.take(RECENT_ENDS).collect() })
    }
}

/// True if jobs of the first list are taken before those of the second one, by the same actors.
fn are_taken_in_turn(first: &Lane, second: &Lane) -> bool {
    match (first, second) {
        (Lane::Front | Lane::Queue, Lane::Front | Lane::Queue) => true,
        (Lane::Inbox(one), Lane::Inbox(other)) => one == other,
        (Lane::Inbox(_), Lane::Front | Lane::Queue) | (Lane::Front | Lane::Queue, Lane::Inbox(_)) => false,
    }
}
