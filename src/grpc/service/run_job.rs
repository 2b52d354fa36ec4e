//! RunJob, in steps that release their memory: ten thousand calls may wait at the same time.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;

use super::own_jobs::own_job;
use super::{SupervisorService, WAIT_ENDED};
use crate::domain::access::Permit;
use crate::domain::jobs::{Awaited, Begun};
use crate::domain::model::id::JobId;
use crate::error::SupervisorError;
use crate::grpc::deadline::effective_wait;
use crate::grpc::metrics_layer;
use crate::grpc::parse::Run;
use crate::grpc::render;
use crate::grpc::status::Failure;
use crate::proto as pb;

/// The parts of a request that are needed after the submit.
struct Rest {
    /// True if a repeat of the call creates no second job.
    repeatable: bool,
    deadline: Instant,
    cancel: bool,
}

impl SupervisorService {
    /// Submits the job, waits for its end, and cancels it after the wait if the request says so.
    pub(super) async fn run_asked(
        &self,
        asked: Box<Run>,
        permit: Permit,
        time_left: Option<Duration>,
    ) -> Result<pb::RunJobResponse, Status> {
        let (begun, rest) = Box::pin(self.begin_run(asked, time_left)).await?;
        let id = begun.job_id().clone();
        let waited = self.gate.wait(self.supervisor.wait(begun, rest.deadline)).await;
        let mut end = waited.map_err(|failure| failure.of_accepted(&id, rest.repeatable))?;
        if !end.done && rest.cancel {
            let cancelled = Box::pin(self.cancel_run(&mut end)).await;
            cancelled.map_err(|failure| failure.of_accepted(&id, rest.repeatable))?;
        }
        if end.done {
            metrics_layer::job_ended(&end.job);
        }
        Ok(pb::RunJobResponse {
            job: Some(own_job(&permit, end.job)),
            wait_outcome: render::wait_outcome(end.done),
            deduplicated: end.deduplicated,
        })
    }

    async fn begin_run(
        &self,
        mut asked: Box<Run>,
        time_left: Option<Duration>,
    ) -> Result<(Box<Begun>, Rest), Failure> {
        self.gate.enter()?;
        let id = asked.job.job_id.get_or_insert_with(JobId::mint).clone();
        let repeatable = asked.job.request.is_some();
        let deadline = Instant::now() + effective_wait(asked.max_wait, time_left);
        let rest = Rest { repeatable, deadline, cancel: asked.cancel };
        let begun = tokio::select! {
            biased;
            begun = self.supervisor.begin(asked.job) => begun,
            () = self.gate.ending.cancelled() => {
                let reason = "the supervisor is shutting down".to_owned();
                Err(SupervisorError::SubmitUncertain { id, reason })
            }
        };
        Ok((begun?, rest))
    }

    async fn cancel_run(&self, end: &mut Awaited) -> Result<(), Failure> {
        end.job = self.supervisor.cancel(&end.job.id, WAIT_ENDED).await?.job;
        end.done = end.job.state.is_terminal();
        Ok(())
    }
}
