//! WatchJob requests.

use std::time::Duration;

use crate::domain::jobs::follow::JobPlace;
use crate::domain::model::id::JobId;
use crate::domain::model::violation::Violations;
use crate::grpc::parse::value::{duration, optional};
use crate::proto as pb;

/// A parsed WatchJob request.
#[derive(Debug)]
pub(crate) struct WatchJob {
    /// The job.
    pub(crate) job_id: JobId,
    /// Sends the log lines of the script.
    pub(crate) with_lines: bool,
    /// The cursor to resume after.
    pub(crate) resume: Option<JobPlace>,
    /// The heartbeat interval.
    pub(crate) heartbeat: Duration,
}

/// Parses a WatchJob request.
pub(crate) fn watch_job(request: pb::WatchJobRequest) -> Result<WatchJob, Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let job_id = v.keep("job_id", JobId::parse(&request.job_id));
    let resume = match request.resume_after.as_str() {
        "" => None,
        raw => {
            let wrong = "is not a cursor of this call: use that of the last message, or leave it out";
            v.keep("resume_after", JobPlace::decode(raw).ok_or_else(|| wrong.to_owned()))
        }
    };
    let heartbeat = optional(v, "heartbeat_interval", request.heartbeat_interval, |raw| {
        let span = duration(raw)?;
        let allowed = Duration::from_secs(1)..=Duration::from_secs(300);
        if allowed.contains(&span) { Ok(span) } else { Err(format!("is {span:?}: use 1 to 300 seconds")) }
    });
    let heartbeat = heartbeat.unwrap_or(Duration::from_secs(15));
    match job_id {
        Some(job_id) if violations.is_empty() => {
            Ok(WatchJob { job_id, with_lines: request.include_logs, resume, heartbeat })
        }
        Some(_) | None => Err(violations),
    }
}
