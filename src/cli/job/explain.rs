//! `job explain`: why a job does not run, and when it may.

use std::time::{Duration, SystemTime};

use super::{find, id, state_word};
use crate::adapters::system_clock::SystemClock;
use crate::cli::client::{self, Server};
use crate::cli::values::{brief, time};
use crate::cli::{Exit, Failure, Output, table};
use crate::ports::clock::Clock;
use crate::proto::explain_job_response::StartEstimate;
use crate::proto::{ExplainJobRequest, ExplainJobResponse};

/// Explains a job, of whose id the beginning may be given.
///
/// # Errors
/// Those of the call.
pub(super) async fn run(server: &mut Server, out: Output, job: String) -> Result<Exit, Failure> {
    let job_id = find::job_id(server, job).await?;
    let answer = server.explain_job(client::call(ExplainJobRequest { job_id })).await?.into_inner();
    out.response(&answer, id(&answer.job), || show(&answer, SystemClock.now()))?;
    Ok(Exit::Ok)
}

fn show(answer: &ExplainJobResponse, now: SystemTime) -> String {
    let Some(job) = &answer.job else { return answer.message.clone() };
    let mut facts = vec![("job", job.job_id.clone()), ("state", state_word(job))];
    if answer.reasons.is_empty() {
        facts.push(("because", answer.message.clone()));
    }
    facts.extend(answer.reasons.iter().map(|reason| ("waits", reason.message.clone())));
    if let Some(jobs) = answer.jobs_ahead {
        let about = if answer.jobs_ahead_estimated { "about " } else { "" };
        facts.push(("jobs ahead", format!("{about}{jobs}")));
    }
    facts.extend(answer.start.as_ref().map(|start| ("starts", starts(start, now))));
    table(["FACT", "VALUE"], facts.into_iter().map(|(name, value)| [name.to_owned(), value]))
}

fn starts(start: &StartEstimate, now: SystemTime) -> String {
    let span = |at: Option<prost_types::Timestamp>| {
        let at = at.and_then(|at| SystemTime::try_from(at).ok())?;
        let after = at.duration_since(now).unwrap_or(Duration::ZERO);
        Some(brief(prost_types::Duration::try_from(after).ok()))
    };
    let earliest = span(start.earliest).unwrap_or_default();
    match span(start.latest) {
        None => format!("in {earliest} at the earliest ({})", time(start.earliest)),
        Some(latest) if latest == earliest => format!("in about {latest}, by the last {} ends", start.ends),
        Some(latest) => format!("in {earliest} to {latest}, by the last {} ends", start.ends),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Job, JobWait, job, job_wait};

    #[test]
    fn reasons_position_and_span_are_shown() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let at = |seconds: u64| Some((SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).into());
        let reason = JobWait {
            reason: job_wait::Reason::ActorsBusy.into(),
            message: "2 osis actors run".to_owned(),
            until: None,
        };
        let mut answer = ExplainJobResponse {
            job: Some(Job { job_id: "j".to_owned(), state: job::State::Queued.into(), ..Job::default() }),
            reasons: vec![reason],
            jobs_ahead: Some(7),
            jobs_ahead_estimated: true,
            start: Some(StartEstimate { earliest: at(1_003), latest: at(1_012), ends: 49 }),
            message: String::new(),
        };
        let shown = show(&answer, now);
        for part in ["queued", "2 osis actors run", "about 7", "in 3.0s to 12.0s, by the last 49 ends"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        answer.start = Some(StartEstimate { earliest: at(1_060), latest: None, ends: 0 });
        assert!(
            show(&answer, now).contains("in 60s at the earliest (1970-01-01T00:17:40Z)"),
            "{}",
            show(&answer, now)
        );
    }
}
