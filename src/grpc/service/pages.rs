//! Pages of actors and jobs, and batches of jobs.

use std::time::SystemTime;

use prost::Message;

use crate::domain::access::Permit;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Job, MAX_BATCH};
use crate::domain::model::violation::Violations;
use crate::error::SupervisorError;
use crate::grpc::access::Sight;
use crate::grpc::page_token::PageToken;
use crate::grpc::parse;
use crate::grpc::render;
use crate::grpc::response_size::{BatchBudget, FULL_BYTES};
use crate::grpc::service::SupervisorService;
use crate::grpc::service::own_jobs::{admit, own_job};
use crate::grpc::status::Failure;
use crate::ports::job_queue::{JobCursor, JobFilter};
use crate::proto as pb;

impl SupervisorService {
    /// Reads a page of actors by name. A page with long definitions ends early, so that it fits into a message.
    pub(super) async fn actor_page(
        &self,
        sight: Sight,
        request: pb::ListActorsRequest,
    ) -> Result<pb::ListActorsResponse, Failure> {
        let token = PageToken::of(&request);
        let asked = parse::list_actors(request)?;
        let view = asked.filter.view;
        let after = token.position()?;

        let mut actors = self.lifecycle.actors().await?;
        actors.retain(|actor| asked.filter.lets_through(actor));
        let total_size = render::count(actors.len());
        if let Some(after) = after {
            actors.retain(|actor| actor.record.id.as_str() > after.as_str());
        }
        let mut page = Vec::new();
        let mut bytes = 0;
        let mut next_page_token = String::new();
        let mut found = actors.into_iter().peekable();
        while let Some(actor) = found.next() {
            let here = actor.record.id.clone();
            let rendered = sight.actor(render::actor(actor, view));
            bytes += rendered.encoded_len();
            page.push(rendered);
            if (page.len() == asked.limit || bytes >= FULL_BYTES) && found.peek().is_some() {
                next_page_token = token.next(here.as_str());
                break;
            }
        }
        Ok(pb::ListActorsResponse { actors: page, next_page_token, total_size })
    }

    /// Asks for the jobs of a unique key. A caller who sees only its own jobs means its own key.
    fn ask_for_key(&self, permit: &Permit, key: &str, filter: &mut JobFilter) {
        let own_only = permit.is_own_only();
        let default = permit.identity().scopes.default_caller();
        if let (true, None, Some(caller)) = (own_only, &filter.caller_id, default) {
            filter.caller_id = Some(caller.to_owned());
        }
        filter.unique_keys = self.supervisor.unique_keys(key, filter, own_only);
    }

    /// Reads a page of jobs, the newest first. A page with large results ends early, so that it fits into a message.
    pub(super) async fn job_page(
        &self,
        permit: Permit,
        request: pb::ListJobsRequest,
    ) -> Result<pb::ListJobsResponse, Failure> {
        let token = PageToken::of(&request);
        let key = request.unique_key.clone();
        let mut asked = parse::list_jobs(request)?;
        if !key.is_empty() {
            self.ask_for_key(&permit, &key, &mut asked.filter);
        }
        let after = token.parse(cursor)?;
        asked.filter.permit = (!permit.is_unlimited()).then(|| permit.clone());

        let page = self.supervisor.jobs(&asked.filter, after.as_ref(), asked.limit).await?;
        let (looked_at, looked_back_to) =
            (render::count(page.looked_at), page.looked_back_to.map(Into::into));
        let mut next = page.next;
        let mut jobs = Vec::with_capacity(page.jobs.len());
        let mut bytes = 0;
        let mut found = page.jobs.into_iter().peekable();
        while let Some(job) = found.next() {
            let here = behind(&job);
            let rendered = own_job(&permit, job);
            bytes += rendered.encoded_len();
            jobs.push(rendered);
            if bytes >= FULL_BYTES && found.peek().is_some() {
                next = Some(here);
                break;
            }
        }
        let next_page_token = next.map(|next| token.next(&position(&next))).unwrap_or_default();
        Ok(pb::ListJobsResponse { jobs, next_page_token, looked_at, looked_back_to })
    }

    /// Submits the valid jobs of a batch. Each request has its own result, in their order.
    pub(super) async fn submit_batch(
        &self,
        permit: &Permit,
        traceparent: Option<String>,
        requests: Vec<pb::SubmitJobRequest>,
    ) -> Result<Vec<pb::SubmitJobResult>, Failure> {
        if requests.is_empty() || requests.len() > MAX_BATCH {
            let description = format!("has {} jobs: use 1 to {MAX_BATCH}", requests.len());
            return Err(Violations::one("requests", description).into());
        }
        let mut good = Vec::with_capacity(requests.len());
        let mut refused: Vec<Option<Failure>> = Vec::with_capacity(requests.len());
        let now = self.now();
        for request in requests {
            let mut job = match parse::submit_job(request, now) {
                Ok(job) => job,
                Err(violations) => {
                    refused.push(Some(violations.into()));
                    continue;
                }
            };
            job.spec.traceparent.clone_from(&traceparent);
            let denied = admit(permit, &mut job).err();
            if denied.is_none() {
                good.push(job);
            }
            refused.push(denied);
        }
        let mut accepted = self.supervisor.submit_many(good).await?.into_iter();
        let mut answer = |refused: Option<Failure>| match refused {
            Some(failure) => Err(failure),
            None => accepted.next().unwrap_or_else(|| Err(unanswered())).map_err(Failure::from),
        };
        let result = |refused| match answer(refused) {
            Ok(accepted) => pb::SubmitJobResult {
                job: Some(own_job(permit, accepted.job)),
                deduplicated: accepted.deduplicated,
                existing: accepted.existing,
                error: None,
            },
            Err(failure) => pb::SubmitJobResult { error: Some(failure.into()), ..Default::default() },
        };
        let mut batch = BatchBudget::default();
        Ok(refused.into_iter().map(result).map(|result| batch.job(result)).collect())
    }
}

/// Returns the start of the page after this job.
fn behind(job: &Job) -> JobCursor {
    let since = job.created_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let created_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    JobCursor { created_ms, job_id: job.id.clone() }
}

fn position(cursor: &JobCursor) -> String {
    format!("{}.{}", cursor.created_ms, cursor.job_id)
}

fn cursor(position: &str) -> Option<JobCursor> {
    let (millis, id) = position.split_once('.')?;
    Some(JobCursor { created_ms: millis.parse().ok()?, job_id: JobId::parse(id).ok()? })
}

fn unanswered() -> SupervisorError {
    SupervisorError::Internal { what: "submit a job of many".to_owned(), source: "no answer for it".into() }
}
