//! RunJob: submits a job, waits for its end, and answers with the job as it is then.
//!
//! The steps release their memory, because ten thousand calls may wait at the same time.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Request, Response};

use super::own_jobs::{self, own_job};
use super::{Answer, SupervisorService};
use crate::domain::access::Permit;
use crate::domain::jobs::{Awaited, Begun};
use crate::domain::model::id::JobId;
use crate::error::SupervisorError;
use crate::grpc::access::permit;
use crate::grpc::audit::Noted;
use crate::grpc::deadline::{effective_wait, time_left};
use crate::grpc::metrics_layer;
use crate::grpc::parse::{self, Run};
use crate::grpc::render;
use crate::grpc::status::Failure;
use crate::proto as pb;

/// Cancel reason of a job that was to end with the wait of its caller.
const WAIT_ENDED: &str = "not finished when the wait of its caller was over";

/// A parsed call.
pub(super) struct RunCall {
    run: Run,
    /// Permit of the caller.
    permit: Permit,
    /// Time from the arrival of the call to its deadline; None without a deadline.
    time_left: Option<Duration>,
    noted: Noted,
}

/// The parts of a request that are needed after the submit.
struct Rest {
    permit: Permit,
    /// True if a repeat of the call creates no second job.
    repeatable: bool,
    deadline: Instant,
    cancel: bool,
}

impl SupervisorService {
    /// Parses a request, and checks that its caller may run the job.
    ///
    /// # Errors
    /// All violations at once; a job that the caller may not run.
    pub(super) fn parse_run(&self, request: Request<pb::RunJobRequest>) -> Result<Box<RunCall>, Failure> {
        let (time_left, permit) = (time_left(request.metadata()), permit(&request)?);
        let (traceparent, noted) = (metrics_layer::traceparent(&request), Noted::of(&request));
        let mut run = parse::run_job(request.into_inner(), self.now())?;
        run.job.spec.traceparent = traceparent;
        own_jobs::admit(&permit, &mut run.job)?;
        Ok(Box::new(RunCall { run, permit, time_left, noted }))
    }

    /// Submits the job, waits for its end, and cancels it after the wait if the request says so.
    pub(super) async fn run(&self, call: Box<RunCall>) -> Answer<pb::RunJobResponse> {
        let (begun, rest) = Box::pin(self.begin_run(call)).await?;
        let id = begun.job_id().clone();
        let waited = self.gate.wait(self.supervisor.wait(begun, rest.deadline)).await;
        let mut end = waited.map_err(|failure| failure.of_accepted(&id, rest.repeatable))?;
        // A job that was there before is not for this call to cancel.
        if !end.done && rest.cancel && !end.existing {
            let cancelled = Box::pin(self.cancel_run(&mut end)).await;
            cancelled.map_err(|failure| failure.of_accepted(&id, rest.repeatable))?;
        }
        if end.done {
            metrics_layer::job_ended(&end.job);
        }
        let wait = if end.done { None } else { Box::pin(self.wait_of(&rest.permit, &end.job)).await };
        Ok(Response::new(pb::RunJobResponse {
            job: Some(pb::Job { wait, ..own_job(&rest.permit, end.job) }),
            wait_outcome: render::wait_outcome(end.done),
            deduplicated: end.deduplicated,
            existing: end.existing,
        }))
    }

    async fn begin_run(&self, call: Box<RunCall>) -> Result<(Box<Begun>, Rest), Failure> {
        self.gate.enter()?;
        let RunCall { run: Run { mut job, max_wait, cancel }, permit, time_left, noted } = *call;
        let id = job.job_id.get_or_insert_with(JobId::mint).clone();
        noted.job(id.as_str());
        let repeatable = job.request.is_some();
        let deadline = Instant::now() + effective_wait(max_wait, time_left);
        let begun = tokio::select! {
            biased;
            begun = self.supervisor.begin(job) => begun,
            () = self.gate.ending.cancelled() => {
                let reason = "the supervisor is shutting down".to_owned();
                Err(SupervisorError::SubmitUncertain { id, reason })
            }
        };
        Ok((begun?, Rest { permit, repeatable, deadline, cancel }))
    }

    async fn cancel_run(&self, end: &mut Awaited) -> Result<(), Failure> {
        end.job = self.supervisor.cancel(&end.job.id, WAIT_ENDED).await?.job;
        end.done = end.job.state.is_terminal();
        Ok(())
    }
}
