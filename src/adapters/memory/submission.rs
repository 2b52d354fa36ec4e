//! Submits jobs to the in-memory queue.

use super::broker::State;
use super::job_queue::{MemoryJobQueue, basic};
use crate::domain::model::flow;
use crate::domain::model::job::{Conflict, Job, JobKind, JobState};
use crate::ports::clock::Clock;
use crate::ports::job_queue::QueueError;
use crate::ports::job_submission::{RequestKey, Submission, SubmitRefused, Submitted};

impl MemoryJobQueue {
    pub(super) fn submit_one(
        &self,
        submission: Submission,
    ) -> Result<Result<Submitted, SubmitRefused>, QueueError> {
        let usual = self.broker.config().queue_limit;
        let now = self.broker.clock().now();
        self.broker.with(|state| {
            let Submission { id, spec, request, wanted, unroutable, quota } = submission;
            if let Some(answer) = request.as_ref().and_then(|request| answer_of(state, request, wanted)) {
                return answer;
            }
            if let (true, Some(actor_id)) = (unroutable, &spec.target_actor) {
                return Err(SubmitRefused::Unroutable { actor_id: actor_id.clone() });
            }
            if state.job(&id).is_some() {
                return Err(SubmitRefused::JobExists { job_id: id });
            }
            let conflict = state.conflict(&spec);
            if let Some(answer) = conflict.as_ref().and_then(|found| settled(state, found, &request, wanted))
            {
                return answer;
            }
            if let Some(identity) = &spec.submitted_by {
                quota.check(state.unfinished_of(identity)).map_err(SubmitRefused::QuotaReached)?;
            }
            let queue = spec.queue();
            match state.type_of(queue) {
                None => return Err(SubmitRefused::NoQueue { queue }),
                Some(serves) if serves != spec.script_type => {
                    return Err(SubmitRefused::WrongQueue { queue, serves });
                }
                Some(_same) => {}
            }
            let limit = state.limit(queue).unwrap_or(usual);
            let queued = state.queued(queue) + state.delayed(queue);
            let replaces =
                matches!(&conflict, Some(Conflict::Accepted { replaces, .. }) if !replaces.is_empty());
            let waits_now = spec.run_at.is_none_or(|at| at <= now)
                && matches!(&conflict, None | Some(Conflict::Accepted { behind: None, .. }));
            let key = flow::key_of(&spec).filter(|_key| waits_now && !replaces);
            if let Some(full) = key.and_then(|key| state.full_key(queue, key)) {
                return Err(SubmitRefused::FlowKeyFull(full));
            }
            if queued >= limit && spec.kind == JobKind::Script && !replaces {
                return Err(SubmitRefused::QueueFull { queue, queued, limit });
            }
            let behind = conflict.and_then(|conflict| state.take_key(&id, &spec, conflict));
            let job = Job::accepted(id.clone(), spec, now);
            let mut shown = basic(&job);
            if let Some(behind) = &behind {
                shown = shown.blocked_by(behind.clone());
            }
            state.accept(job, behind.as_ref());
            if let Some(request) = request {
                state.note_request(request.text().into_owned(), request.fingerprint, id.clone());
            }
            let completion = if wanted { state.completion(&id) } else { None };
            Ok(Submitted { job: shown, deduplicated: false, existing: false, completion })
        })
    }
}

/// The answer to a request that was made before.
fn answer_of(
    state: &mut State,
    request: &RequestKey,
    wanted: bool,
) -> Option<Result<Submitted, SubmitRefused>> {
    let (fingerprint, job_id, first_use) = state.request(&request.text())?;
    if fingerprint != request.fingerprint {
        return Some(Err(SubmitRefused::RequestIdReused { request_id: request.id.clone(), first_use }));
    }
    let job_id = job_id.clone();
    let Some(job) = state.job(&job_id).map(basic) else {
        return Some(Err(SubmitRefused::JobExpired { job_id }));
    };
    let completion = if wanted { state.completion(&job_id) } else { None };
    let existing = state.was_answered(&request.text());
    Some(Ok(Submitted { job, deduplicated: !existing, existing, completion }))
}

/// The answer to a job whose unique key another one holds; None for one that is accepted.
fn settled(
    state: &mut State,
    conflict: &Conflict,
    request: &Option<RequestKey>,
    wanted: bool,
) -> Option<Result<Submitted, SubmitRefused>> {
    match conflict {
        Conflict::Existing(holder) => {
            let Some(job) = state.job(holder).map(basic) else {
                return Some(Err(SubmitRefused::JobExpired { job_id: holder.clone() }));
            };
            if let Some(request) = request {
                let text = request.text().into_owned();
                state.note_answered(text, request.fingerprint.clone(), holder.clone());
            }
            let completion = if wanted { state.completion(holder) } else { None };
            Some(Ok(Submitted { job, deduplicated: false, existing: true, completion }))
        }
        Conflict::Refused(holder) => {
            let state = state.job(holder).map_or(JobState::Running, |job| job.state);
            Some(Err(SubmitRefused::KeyHeld { holder: holder.clone(), state }))
        }
        Conflict::Accepted { .. } => None,
    }
}
