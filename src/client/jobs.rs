//! Jobs that are submitted, one or many, and cancelled.

use std::collections::VecDeque;
use std::time::Duration;

use prost::Message;
use tonic::Code;

use super::handle::JobHandle;
use super::run::{Run, new_request_id};
use super::wait::{MARGIN, Wait};
use super::{Client, ClientError};
use crate::proto::{CancelJobRequest, ItemError, Job, SubmitJobRequest, SubmitJobResult, SubmitJobsRequest};

/// Most jobs of one call.
const MAX_BATCH_JOBS: usize = 1000;
/// Bytes of jobs after which a call has enough: a message has at most 4 MiB, so there is room for one more of the largest.
const MAX_BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Time that a call waits for its answer.
const NO_WAIT: Duration = Duration::ZERO;

impl Client {
    /// Submits a job and does not wait for its end; its handle does. The call is repeated over lost connections and restarts of
    /// the server, and the job is created once.
    ///
    /// # Errors
    /// Those of [`Client::run`].
    pub async fn submit(&self, run: Run) -> Result<JobHandle, ClientError> {
        let (request, timeout) = run.into_parts();
        let mut wait = Wait::new(self, "a job", timeout);
        wait.request_id.clone_from(&request.request_id);
        let answer = wait
            .outlive(MARGIN, |wait, _poll| {
                let mut calls = self.calls_of_wait();
                let request = wait.request(request.clone(), NO_WAIT);
                async move { calls.submit_job(request).await }
            })
            .await?;
        Ok(self.handle(answer.job.unwrap_or_default().job_id))
    }

    /// Submits many jobs, as many in one call as the server takes, and returns the outcome of each, in their order. Good ones are
    /// accepted whatever the others are. A request without a request id gets one.
    ///
    /// Without a timeout the wait for a server has no limit. Jobs of a call that failed have its error, with their `request_id`
    /// in its metadata: a repeat with that id creates the job once.
    pub async fn submit_many(
        &self,
        requests: impl IntoIterator<Item = SubmitJobRequest>,
        timeout: Option<Duration>,
    ) -> Vec<Result<JobHandle, ClientError>> {
        let named = |request: SubmitJobRequest| match request.request_id.as_str() {
            "" => SubmitJobRequest { request_id: new_request_id(), ..request },
            _given => request,
        };
        let mut left: VecDeque<SubmitJobRequest> = requests.into_iter().map(named).collect();
        let mut outcomes = Vec::with_capacity(left.len());
        let began = tokio::time::Instant::now();
        while !left.is_empty() {
            let batch = next_batch(&mut left);
            let rest = timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
            match self.submit_batch(&batch, rest).await {
                Ok(done) => outcomes.extend(done),
                Err(error) => outcomes.extend(batch.iter().map(|request| Err(of_request(&error, request)))),
            }
        }
        outcomes
    }

    async fn submit_batch(
        &self,
        batch: &[SubmitJobRequest],
        timeout: Option<Duration>,
    ) -> Result<Vec<Result<JobHandle, ClientError>>, ClientError> {
        let mut wait = Wait::new(self, format!("{} jobs", batch.len()), timeout);
        let answer = wait
            .outlive(MARGIN, |wait, _poll| {
                let mut calls = self.calls_of_wait();
                let request = wait.request(SubmitJobsRequest { requests: batch.to_vec() }, NO_WAIT);
                async move { calls.submit_jobs(request).await }
            })
            .await?;
        let outcome = |result: SubmitJobResult| match result.error {
            Some(refused) => Err(of_item(refused)),
            None => Ok(self.handle(result.job.unwrap_or_default().job_id)),
        };
        Ok(answer.results.into_iter().map(outcome).collect())
    }

    /// Cancels a job, waiting or running, and returns it as it is then; its state says whether it had ended otherwise. To cancel
    /// twice does no harm, so the call is repeated over lost connections; without a timeout, as long as it takes.
    ///
    /// # Errors
    /// Those of [`Client::run`]; NOT_FOUND for a job that does not exist.
    pub async fn cancel(
        &self,
        job_id: &str,
        reason: &str,
        timeout: Option<Duration>,
    ) -> Result<Job, ClientError> {
        let mut wait = Wait::for_job(self, job_id, timeout);
        let request = CancelJobRequest { job_id: job_id.to_owned(), reason: reason.to_owned() };
        let answer = wait
            .outlive(MARGIN, |wait, _poll| {
                let mut calls = self.calls_of_wait();
                let request = wait.request(request.clone(), NO_WAIT);
                async move { calls.cancel_job(request).await }
            })
            .await?;
        Ok(answer.job.unwrap_or_default())
    }
}

/// Takes as many jobs as go into one call; at least one.
fn next_batch(left: &mut VecDeque<SubmitJobRequest>) -> Vec<SubmitJobRequest> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(next) = left.front() {
        bytes += next.encoded_len();
        if batch.len() == MAX_BATCH_JOBS || (bytes > MAX_BATCH_BYTES && !batch.is_empty()) {
            break;
        }
        batch.extend(left.pop_front());
    }
    batch
}

/// The error of a call as that of one of its jobs.
fn of_request(error: &ClientError, request: &SubmitJobRequest) -> ClientError {
    let mut error = error.clone();
    error.metadata.insert("request_id".to_owned(), request.request_id.clone());
    error
}

fn of_item(refused: ItemError) -> ClientError {
    let violations = refused.field_violations.into_iter();
    ClientError {
        reason: refused.reason,
        metadata: refused.metadata.into_iter().collect(),
        fields: violations.map(|violation| (violation.field, violation.description)).collect(),
        ..ClientError::new(Code::from_i32(refused.code), refused.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::JobSpec;

    fn request(bytes: usize) -> SubmitJobRequest {
        let job = JobSpec { script: "x".repeat(bytes), ..JobSpec::default() };
        SubmitJobRequest { job: Some(job), ..Default::default() }
    }

    fn batches(jobs: impl IntoIterator<Item = SubmitJobRequest>) -> Vec<usize> {
        let mut left: VecDeque<_> = jobs.into_iter().collect();
        let mut sizes = Vec::new();
        while !left.is_empty() {
            sizes.push(next_batch(&mut left).len());
        }
        sizes
    }

    #[test]
    fn a_call_has_as_many_jobs_as_the_server_takes() {
        assert_eq!(batches((0..2500).map(|_| request(10))), [1000, 1000, 500]);
        assert_eq!(batches([1024 * 1024; 5].map(request)), [1, 1, 1, 1, 1]);
        assert_eq!(batches([600 * 1024; 5].map(request)), [3, 2]);
        assert_eq!(batches([3 * 1024 * 1024, 1].map(request)), [1, 1]);
    }

    /// Answers for all, also when nobody could be asked.
    #[tokio::test]
    async fn each_job_has_an_outcome_with_its_request_id() {
        let client = Client::connect("unix:/nowhere/s").unwrap();
        let named = SubmitJobRequest { request_id: "r".to_owned(), ..request(1) };
        let done = client.submit_many([request(1), named], Some(Duration::from_millis(100))).await;
        let errors: Vec<ClientError> = done.into_iter().map(Result::unwrap_err).collect();
        assert_eq!(errors.len(), 2);
        assert!(errors.iter().all(|error| error.reason == "NO_SERVER"), "{errors:?}");
        assert!(errors[0].message.ends_with("nothing is known of 2 jobs"), "{}", errors[0]);
        assert!(!errors[0].metadata["request_id"].is_empty());
        assert_eq!(errors[1].metadata["request_id"], "r");
    }
}
