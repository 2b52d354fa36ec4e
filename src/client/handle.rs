//! One job of a server, to wait for, to watch and to cancel.

use std::time::Duration;

use futures::stream::BoxStream;

use super::error::{JobFailed, result};
use super::{Client, ClientError};
use crate::proto::{GetJobRequest, Job, LogEntry, WatchJobRequest, WatchJobResponse};

/// One job of a server. It holds no connection, so it outlives lost ones and restarts of the server. Clones are cheap.
#[derive(Debug, Clone)]
pub struct JobHandle {
    client: Client,
    job_id: String,
}

/// The reason why there is no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WaitError {
    /// The job has ended without one.
    #[error(transparent)]
    Failed(#[from] JobFailed),
    /// The wait failed.
    #[error(transparent)]
    Call(#[from] ClientError),
}

impl Client {
    /// Returns the handle of a job that is there already. The server is not asked.
    pub fn handle(&self, job_id: impl Into<String>) -> JobHandle {
        JobHandle { client: self.clone(), job_id: job_id.into() }
    }
}

impl JobHandle {
    /// Returns the id of the job.
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    /// Waits for the end of the job and returns its result. Without a timeout the wait has no limit.
    ///
    /// # Errors
    /// [`WaitError::Failed`] if it has none; [`WaitError::Call`] with the errors of [`Client::run`].
    pub async fn result(&self, timeout: Option<Duration>) -> Result<String, WaitError> {
        Ok(result(&self.wait(timeout).await?)?)
    }

    /// Waits for the end of the job, however it ends.
    ///
    /// # Errors
    /// Those of [`Client::run`].
    pub async fn wait(&self, timeout: Option<Duration>) -> Result<Job, ClientError> {
        self.client.await_job(&self.job_id, timeout).await
    }

    /// Reads the job as it is now.
    ///
    /// # Errors
    /// Those of the call GetJob.
    pub async fn get(&self) -> Result<Job, ClientError> {
        let request = GetJobRequest { job_id: self.job_id.clone(), ..Default::default() };
        Ok(self.client.calls().get_job(request).await?.into_inner().job.unwrap_or_default())
    }

    /// Cancels the job, as [`Client::cancel`] does without a timeout.
    ///
    /// # Errors
    /// Those of [`Client::cancel`].
    pub async fn cancel(&self, reason: &str) -> Result<Job, ClientError> {
        self.client.cancel(&self.job_id, reason, None).await
    }

    /// Follows the job to its end: the job as it is, its changes, its progress and its lines, and the job once more at its
    /// end. The watch resumes after the last message when the connection is lost or the server restarted; the job as it is
    /// may come again then.
    pub fn watch(&self) -> BoxStream<'static, Result<WatchJobResponse, ClientError>> {
        let request =
            WatchJobRequest { job_id: self.job_id.clone(), include_logs: true, ..Default::default() };
        self.client.watch_job(request)
    }

    /// Returns the lines that the script writes, until the job ends. Lines that a slow reader misses are left out;
    /// [`JobHandle::watch`] counts them.
    pub fn logs(&self) -> BoxStream<'static, Result<LogEntry, ClientError>> {
        use crate::proto::watch_job_response::Item;

        super::watch::lines(self.watch(), |message| match message.item {
            Some(Item::LogEntries(entries)) => entries.entries,
            Some(Item::Job(_) | Item::StateChange(_) | Item::Progress(_) | Item::Bookmark(_)) | None => {
                Vec::new()
            }
        })
    }
}
