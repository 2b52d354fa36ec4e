//! Explanation of a job that does not run.

use std::time::SystemTime;

use super::job_wait::{job_wait, time};
use super::timestamp;
use crate::domain::actors::{JobExplanation, StartEstimate};
use crate::domain::model::job::{Job, JobState};
use crate::proto as pb;
use pb::explain_job_response as response;

/// Renders the explanation of `job`, which `shown` is as its caller may see it.
pub(crate) fn explanation(job: &Job, shown: pb::Job, explanation: JobExplanation) -> pb::ExplainJobResponse {
    let JobExplanation { reasons, ahead, start } = explanation;
    let reasons: Vec<pb::JobWait> = reasons.into_iter().map(job_wait).collect();
    let message = sentence(job, &reasons, ahead, start.as_ref());
    pb::ExplainJobResponse {
        job: Some(shown),
        reasons,
        jobs_ahead: ahead.map(|(jobs, _exact)| jobs),
        jobs_ahead_estimated: ahead.is_some_and(|(_jobs, is_exact)| !is_exact),
        start: start.map(start_estimate),
        message,
    }
}

fn start_estimate(start: StartEstimate) -> response::StartEstimate {
    response::StartEstimate {
        earliest: Some(timestamp(start.earliest)),
        latest: start.latest.map(timestamp),
        ends: start.ends,
    }
}

fn sentence(
    job: &Job,
    reasons: &[pb::JobWait],
    ahead: Option<(u64, bool)>,
    start: Option<&StartEstimate>,
) -> String {
    match job.state {
        JobState::Running => return format!("job {} runs since {}", job.id, time(job.started_at)),
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => {
            return format!("job {} has {} at {}", job.id, ended(job.state), time(job.finished_at));
        }
        JobState::Blocked | JobState::Scheduled | JobState::Queued | JobState::RetryWait => {}
    }
    let why: Vec<&str> = reasons.iter().map(|reason| reason.message.as_str()).collect();
    let ahead = match ahead {
        None => String::new(),
        Some((1, true)) => "; 1 job is ahead of it".to_owned(),
        Some((jobs, true)) => format!("; {jobs} jobs are ahead of it"),
        Some((jobs, false)) => format!("; about {jobs} jobs are ahead of it"),
    };
    let start = start.map(|start| format!("; {}", when(start))).unwrap_or_default();
    format!("job {} waits: {}{ahead}{start}", job.id, why.join("; "))
}

fn ended(state: JobState) -> &'static str {
    match state {
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled
        | JobState::Blocked
        | JobState::Scheduled
        | JobState::Queued
        | JobState::RetryWait
        | JobState::Running => "been cancelled",
    }
}

fn when(start: &StartEstimate) -> String {
    let at = |at: SystemTime| time(Some(at));
    match start.latest {
        None => format!("it starts at {} at the earliest", at(start.earliest)),
        Some(latest) if at(latest) == at(start.earliest) => {
            format!("it is likely to start about {}", at(latest))
        }
        Some(latest) => {
            format!("it is likely to start between {} and {}", at(start.earliest), at(latest))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::actors::WaitReason;
    use crate::domain::model::id::JobId;
    use crate::domain::model::job::JobSpec;
    use crate::domain::model::script_type::ScriptType;

    fn told(state: JobState, explanation: JobExplanation) -> pb::ExplainJobResponse {
        let spec = JobSpec::new(ScriptType::OSIS, "1");
        let job = Job {
            state,
            started_at: Some(SystemTime::UNIX_EPOCH),
            finished_at: Some(SystemTime::UNIX_EPOCH),
            ..Job::accepted(JobId::parse("j").unwrap(), spec, SystemTime::UNIX_EPOCH)
        };
        super::explanation(&job, pb::Job::default(), explanation)
    }

    #[test]
    fn a_sentence_says_why_what_is_ahead_and_when() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let busy = WaitReason::ActorsBusy { queue: ScriptType::OSIS.into(), running: 2, queued: 8 };
        let start = StartEstimate { earliest: at(60), latest: Some(at(90)), ends: 49 };
        let told_of = |ahead, start| {
            told(JobState::Queued, JobExplanation { reasons: vec![busy.clone()], ahead, start })
        };
        let answer = told_of(Some((7, false)), Some(start));
        assert_eq!(
            answer.message,
            "job j waits: 2 osis actors run, and 8 jobs wait; about 7 jobs are ahead of it; it is likely to start \
             between 1970-01-01T00:01:00Z and 1970-01-01T00:01:30Z"
        );
        assert_eq!((answer.jobs_ahead, answer.jobs_ahead_estimated), (Some(7), true));
        assert!(told_of(Some((1, true)), None).message.ends_with("; 1 job is ahead of it"));
        let soon = StartEstimate { latest: Some(at(60)), ..start };
        let message = told_of(Some((0, true)), Some(soon)).message;
        assert!(
            message.ends_with("; 0 jobs are ahead of it; it is likely to start about 1970-01-01T00:01:00Z"),
            "{message}"
        );
    }

    #[test]
    fn a_job_that_does_not_wait_says_what_it_does() {
        let message = |state| told(state, JobExplanation::default()).message;
        assert_eq!(message(JobState::Running), "job j runs since 1970-01-01T00:00:00Z");
        assert_eq!(message(JobState::Succeeded), "job j has succeeded at 1970-01-01T00:00:00Z");
        assert_eq!(message(JobState::Cancelled), "job j has been cancelled at 1970-01-01T00:00:00Z");
    }
}
