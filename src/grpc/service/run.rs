//! RunJob, in steps that give back their room: ten thousand calls may wait at a time.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;

use super::{SupervisorService, WAIT_ENDED};
use crate::domain::id::JobId;
use crate::domain::supervisor::{Awaited, Begun};
use crate::grpc::deadline::effective_wait;
use crate::grpc::meter;
use crate::grpc::parse::Run;
use crate::grpc::render;
use crate::grpc::status::Failure;
use crate::proto as pb;

/// What is needed of a request once its job was submitted.
struct Rest {
    /// The job, if the caller can find it again by it.
    known: Option<JobId>,
    deadline: Instant,
    cancel: bool,
}

impl SupervisorService {
    /// Submits, waits, and cancels if that was asked for.
    pub(super) async fn run_asked(
        &self,
        asked: Box<Run>,
        time_left: Option<Duration>,
    ) -> Result<pb::RunJobResponse, Status> {
        let (begun, rest) = Box::pin(self.begin_run(asked, time_left)).await?;
        let waited = self.gate.run(self.supervisor.wait(begun, rest.deadline)).await;
        let mut end = match (waited, &rest.known) {
            (Err(failure), Some(id)) => return Err(failure.continue_with(id).into()),
            (waited, _) => waited?,
        };
        if !end.done && rest.cancel {
            Box::pin(self.cancel_run(&mut end)).await?;
        }
        if end.done {
            meter::job_ended(&end.job);
        }
        Ok(pb::RunJobResponse {
            job: Some(render::basic_job(end.job)),
            wait_outcome: render::wait_outcome(end.done),
            deduplicated: end.deduplicated,
        })
    }

    async fn begin_run(
        &self,
        mut asked: Box<Run>,
        time_left: Option<Duration>,
    ) -> Result<(Box<Begun>, Rest), Failure> {
        let id = asked.job.job_id.get_or_insert_with(JobId::mint).clone();
        let known = asked.job.request.is_none().then_some(id);
        let deadline = Instant::now() + effective_wait(asked.max_wait, time_left);
        let rest = Rest { known, deadline, cancel: asked.cancel };
        match (self.gate.run(self.supervisor.begin(asked.job)).await, &rest.known) {
            (Err(failure), Some(id)) => Err(failure.continue_with(id)),
            (begun, _) => Ok((begun?, rest)),
        }
    }

    async fn cancel_run(&self, end: &mut Awaited) -> Result<(), Failure> {
        end.job = self.supervisor.cancel(&end.job.id, WAIT_ENDED).await?.job;
        end.done = end.job.state.is_terminal();
        Ok(())
    }
}
