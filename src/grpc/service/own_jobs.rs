//! Jobs of one caller: what it may submit, and which jobs exist for it.

use super::SupervisorService;
use crate::domain::access::{Allowed, Denied, Permit, Target};
use crate::domain::actors::WaitReason;
use crate::domain::jobs::{Accepted, JobRequest};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{IdentityQuota, Job, JobView};
use crate::error::{SupervisorError, chain};
use crate::grpc::access::{decide, visible_job};
use crate::grpc::parse::Changed;
use crate::grpc::render;
use crate::grpc::status::Failure;
use crate::proto as pb;

/// Labels with this prefix are the supervisor's own.
const OWN_LABELS: &str = "hero.";

/// Fills in what the identity has to do with a job: the caller by default, who submits it, and its quota. Checks that it may
/// submit the job.
///
/// # Errors
/// PERMISSION_DENIED with the field and what is allowed.
pub(super) fn admit(permit: &Permit, job: &mut JobRequest) -> Result<(), Failure> {
    let spec = &mut job.spec;
    if spec.caller_id.is_empty()
        && let Some(caller) = permit.identity().scopes.default_caller()
    {
        caller.clone_into(&mut spec.caller_id);
    }
    let allowed = decide(permit, Target::NewJob((&*spec).into()))?;
    if allowed.own_only && spec.labels.keys().any(|label| label.starts_with(OWN_LABELS)) {
        let allowed = vec![format!("labels that do not begin with {OWN_LABELS}")];
        return Err(Failure::denied(permit, Denied::Scope { field: "labels", allowed }));
    }
    spec.submitted_by = permit.identity().label();
    job.quota = permit.identity().quotas.jobs;
    job.own_keys = permit.is_own_only();
    if let Some(request) = &mut job.request {
        request.owner = permit.request_scope(spec);
    }
    Ok(())
}

/// The caller's quota on its own jobs; None where there is no limit, or nobody has shown an identity.
pub(super) fn quota(permit: &Permit) -> Option<IdentityQuota> {
    let quota = permit.identity().quotas.jobs;
    let identity = permit.identity().label().filter(|_identity| quota.is_some())?;
    Some(IdentityQuota { identity, quota })
}

/// Returns a reason as the caller may see it: words of actors are for those who see all jobs.
pub(super) fn shown(permit: &Permit, why: WaitReason) -> WaitReason {
    if permit.is_unlimited() { why } else { why.without_words() }
}

/// Renders a job as the caller may see it, with the basic view.
pub(super) fn own_job(permit: &Permit, job: Job) -> pb::Job {
    let allowed = permit.job(&job.spec).unwrap_or(Allowed { own_only: true, payloads: false, whole: false });
    visible_job(allowed, render::basic_job(job))
}

impl SupervisorService {
    /// Reads a job, and says what of it may be shown.
    ///
    /// # Errors
    /// JOB_NOT_FOUND or JOB_EXPIRED for a job of somebody else as for one that there is not.
    pub(super) async fn own(
        &self,
        permit: &Permit,
        id: &JobId,
        view: JobView,
    ) -> Result<(Job, Allowed), SupervisorError> {
        let job = self.supervisor.job(id, view).await?;
        let allowed = permit.job(&job.spec).ok_or_else(|| self.supervisor.unknown(id))?;
        Ok((job, allowed))
    }

    /// Submits a job anew, with changes.
    ///
    /// # Errors
    /// INVALID_STATE before its end, and those of a submission.
    pub(super) async fn run_again(
        &self,
        permit: &Permit,
        id: &JobId,
        changed: Changed,
        traceparent: Option<String>,
    ) -> Result<Accepted, Failure> {
        let (old, _allowed) = self.own(permit, id, JobView::Full).await?;
        let mut job = JobRequest::again(old, changed.input)?;
        job.request = changed.request;
        job.spec.traceparent = traceparent;
        admit(permit, &mut job)?;
        Ok(self.supervisor.submit(job).await?)
    }

    /// Finds out why a job waits; None for one that does not, or while that cannot be found out: the job itself is the answer.
    pub(super) async fn wait_of(&self, permit: &Permit, job: &Job) -> Option<pb::JobWait> {
        match self.lifecycle.why_it_waits(job).await {
            Ok(why) => why.map(|why| render::job_wait(shown(permit, why))),
            Err(error) => {
                tracing::debug!(job.id = %job.id, error = %chain(&error), "job {}: not known why it waits", job.id);
                None
            }
        }
    }

    /// Makes sure that a job exists for the caller; without a read for callers who see all jobs.
    ///
    /// # Errors
    /// Those of [`SupervisorService::own`].
    pub(super) async fn is_own(&self, permit: &Permit, id: &JobId) -> Result<(), SupervisorError> {
        match permit.is_unlimited() {
            true => Ok(()),
            false => Box::pin(self.own(permit, id, JobView::Basic)).await.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::domain::access::{Identity, IdentityKind, RULES, Role};
    use crate::domain::model::actor::ActorState;
    use crate::domain::model::id::ActorId;
    use crate::domain::model::script_type::ScriptType;

    #[test]
    fn only_who_sees_all_jobs_reads_what_actors_say() {
        let rule = RULES.iter().find(|rule| rule.rpc == "GetJob").unwrap();
        let told = |role, why: &WaitReason| {
            let permit = Permit::new(Arc::new(Identity::new(IdentityKind::Unix, "7", role)), rule);
            render::job_wait(shown(&permit, why.clone())).message
        };
        let words = "its health check wrote: a secret".to_owned();
        let nobody = WaitReason::NoRunningActor {
            queue: ScriptType::OSIS.into(),
            states: BTreeMap::from([(ActorState::Failed, 1)]),
            example: Some(("osis_actor_0".to_owned(), ActorState::Failed, words.clone())),
        };
        let target = WaitReason::TargetNotRunning {
            actor: ActorId::parse("osis_actor_0").unwrap(),
            state: Some((ActorState::Failed, words.clone())),
        };
        for why in [nobody, target] {
            for role in [Role::Operator, Role::Admin] {
                assert!(told(role, &why).contains(&words), "{why:?}");
            }
            for role in [Role::Viewer, Role::Submitter] {
                let told = told(role, &why);
                assert!(!told.contains("secret") && told.contains("failed"), "{told}");
            }
        }
    }
}
