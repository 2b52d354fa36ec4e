//! Jobs that are for one actor only: whether there is such an actor.
//!
//! An actor is there if it has a record, running or not, or if it has announced itself at the queue of the job. A job
//! for one that is not is refused. One that is accepted while its actor is being deleted is lost by the deletion, or by
//! the look that follows each submit.

use std::collections::BTreeMap;

use super::Supervisor;
use crate::domain::model::job::{JobKind, JobSpec};
use crate::domain::model::violation::Violations;
use crate::error::{SupervisorError, chain};
use crate::ports::job_submission::Submission;

impl Supervisor {
    /// Returns the reason for which no actor will ever take a job for one that is not there.
    pub(super) async fn unroutable(
        &self,
        spec: &JobSpec,
    ) -> Result<Option<SupervisorError>, SupervisorError> {
        let (Some(target), JobKind::Script) = (&spec.target_actor, spec.kind) else { return Ok(None) };
        let record = self.store.get(target).await?;
        let known = record.map(|record| (record.config.script_type, record.config.queue()));
        if known.is_some_and(|(_type, queue)| queue == spec.queue()) {
            return Ok(None);
        }
        let announced = self.queue.presences(spec.queue()).await?;
        if announced.iter().any(|presence| presence.actor_id == *target) {
            return Ok(None);
        }
        Ok(Some(match known {
            Some((script_type, queue)) if script_type == spec.script_type || spec.queue.is_some() => {
                let description = format!(
                    "is {target}, which serves queue {queue}, and the job is for queue {}: name that queue in job.queue, \
                     or an actor that is there",
                    spec.queue()
                );
                Violations::one("job.target_actor_id", description).into()
            }
            Some((script_type, _queue)) => {
                let description = format!(
                    "is {target}, an actor for {script_type}, and the job is for {}: name one of that type, or none",
                    spec.script_type
                );
                Violations::one("job.target_actor_id", description).into()
            }
            None => SupervisorError::ActorNotFound(target.clone()),
        }))
    }

    /// Marks submissions for actors that do not exist. Returns one job for each actor that some are for.
    pub(super) async fn mark_unroutable(
        &self,
        submissions: &mut [Submission],
    ) -> Result<Vec<JobSpec>, SupervisorError> {
        let mut targets = BTreeMap::new();
        for submission in submissions {
            let spec = &submission.spec;
            let Some(target) = &spec.target_actor else { continue };
            let key = (spec.queue(), target.clone());
            submission.unroutable = match targets.get(&key) {
                Some((_spec, unroutable)) => *unroutable,
                None => {
                    let unroutable = self.unroutable(spec).await?.is_some();
                    let named = JobSpec {
                        queue: spec.queue,
                        target_actor: Some(target.clone()),
                        ..JobSpec::new(spec.script_type, "")
                    };
                    targets.insert(key, (named, unroutable));
                    unroutable
                }
            };
        }
        Ok(targets
            .into_values()
            .filter(|(_spec, unroutable)| !unroutable)
            .map(|(spec, _unroutable)| spec)
            .collect())
    }

    /// Fails what waits for the actor of a job, if that has been deleted since the job was let in.
    pub(super) async fn fail_unroutable(&self, spec: &JobSpec) {
        let Some(target) = &spec.target_actor else { return };
        let lost = match self.unroutable(spec).await {
            Ok(None) => return,
            Ok(Some(_gone)) => self.queue.forget_actor(spec.queue(), target).await.map_err(Into::into),
            Err(error) => Err(error),
        };
        if let Err(error) = lost {
            tracing::debug!(actor.id = %target, error = %chain(&error), "actor {target}: whether it exists is not known (the store does not answer)");
        }
    }
}
