//! `job run --follow`, `job logs` and `job watch`: show the output of a script while it runs, over lost connections
//! and restarts of the server.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::sleep;

use super::run::{FIRST_WAIT, Waited, Waiting, conclude};
use super::wait::{Reconnect, TOLD_OUTAGE, Wait, noticed};
use super::{Server, id, state_word};
use crate::cli::output::print_notice;
use crate::cli::values::{time, to_proto, word};
use crate::cli::{Exit, Failure, Format, Output, client};
use crate::printable::one_line;
use crate::proto::watch_job_response::Item;
use crate::proto::{
    AwaitJobResponse, GetJobRequest, Job, JobProgress, JobStateChange, LogEntries, SubmitJobRequest,
    WaitOutcome, WatchJobRequest, WatchJobResponse, bookmark, job, log_entry,
};

/// Silence after which all past output has been shown.
const SILENCE: Duration = Duration::from_secs(1);

/// Time between two looks at why a job waits, after the first one.
const LATER_LOOK: Duration = Duration::from_secs(30);

/// The part of a job's messages that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// The output of the script; everything else goes to standard error.
    Output,
    /// Everything, one line each, with its time.
    Everything,
}

/// Submits a job and follows it to its end.
pub(super) async fn run(
    server: &mut Server,
    out: Output,
    request: SubmitJobRequest,
    wait: Wait,
) -> Result<Exit, Failure> {
    let mut reconnect = Reconnect::of_submit(out, &request.job_id);
    // A repeat after a lost response finds the same job by its request id.
    let submitted = loop {
        let submit = server.submit_job(client::call(request.clone()));
        match noticed(out, TOLD_OUTAGE, submit).await {
            Ok(answer) => break answer.into_inner(),
            Err(status) => reconnect.wait_or_fail(status, &wait).await?,
        }
    };
    let job_id = id(&submitted.job).concat();
    out.notice(&format!("job {job_id}"));
    let mut seen = submitted.job;
    let mut asking = server.clone();
    let waited = tokio::select! {
        never = why_it_waits(&mut asking, out, &job_id) => match never {},
        followed = wait.limit(follow(server, out, &job_id, Show::Output, &wait, &mut seen)) => match followed {
            Some(followed) => followed.map(|()| Waited::Ended)?,
            None => Waited::TimedOut,
        },
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| Waited::Interrupted)?,
    };
    if !matches!(waited, Waited::Ended) && wait.cancels() {
        super::run::cancel_job(server, out, &job_id).await?;
        return Ok(if matches!(waited, Waited::TimedOut) { Exit::TimedOut } else { Exit::Interrupted });
    }
    // The log lines were shown already.
    if let Some(error) = seen.as_mut().and_then(|job| job.error.as_mut()) {
        error.log_tail.clear();
    }
    let done = matches!(waited, Waited::Ended);
    let outcome = if done { WaitOutcome::Done } else { WaitOutcome::TimedOut };
    let response = AwaitJobResponse { job: seen, wait_outcome: outcome.into() };
    out.text_response(&response, id(&response.job), || result(&response.job))?;
    Ok(conclude(out, &response.job, waited, &job_id))
}

/// Returns the result, unless it is only the output.
fn result(job: &Option<Job>) -> String {
    let shown = job.as_ref().filter(|job| job.result_kind() != job::ResultKind::None);
    shown.and_then(|job| job.result.clone()).unwrap_or_default()
}

/// Shows the past output of a job, and follows it to its end if asked to.
pub(super) async fn logs(
    server: &mut Server,
    out: Output,
    job_id: String,
    show: Show,
    to_its_end: bool,
) -> Result<Exit, Failure> {
    let mut seen = None;
    if !to_its_end {
        let request = WatchJobRequest {
            job_id,
            include_logs: true,
            heartbeat_interval: to_proto(SILENCE),
            ..Default::default()
        };
        let mut messages = server.watch_job(request).await?.into_inner();
        while let Some(message) = messages.message().await? {
            match message.item {
                Some(Item::Bookmark(mark)) if mark.kind() != bookmark::Kind::SnapshotEnd => break,
                Some(item) => print_item(out, item, show, &mut seen)?,
                None => {}
            }
        }
        return Ok(Exit::Ok);
    }
    let wait = Wait::new(None, false);
    let mut asking = server.clone();
    let followed = tokio::select! {
        never = why_it_waits(&mut asking, out, &job_id) => match never {},
        followed = follow(server, out, &job_id, show, &wait, &mut seen) => followed.map(|()| Waited::Ended)?,
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| Waited::Interrupted)?,
    };
    if let Some(error) = seen.as_mut().and_then(|job| job.error.as_mut()) {
        error.log_tail.clear();
    }
    Ok(conclude(out, &seen, followed, &job_id))
}

/// Tells now and then why the job does not run, if it does not; its messages do not say so.
async fn why_it_waits(server: &mut Server, out: Output, job_id: &str) -> Infallible {
    let mut waiting = Waiting::new(out, job_id);
    let mut pause = FIRST_WAIT;
    loop {
        sleep(pause).await;
        pause = LATER_LOOK;
        let request = GetJobRequest { job_id: job_id.to_owned(), ..Default::default() };
        // Who follows the job tells of a server that does not answer.
        let answer = server.get_job(client::call(request)).await;
        let job = answer.ok().and_then(|answer| answer.into_inner().job);
        if let Some(job) = job.filter(|job| job.wait.is_some()) {
            waiting.tell(&job);
        }
    }
}

/// Follows a job to its end, also over restarts of the server.
async fn follow(
    server: &mut Server,
    out: Output,
    job_id: &str,
    show: Show,
    wait: &Wait,
    seen: &mut Option<Job>,
) -> Result<(), Failure> {
    let mut reconnect = Reconnect::new(out);
    let mut resume_after = String::new();
    loop {
        let request = WatchJobRequest {
            job_id: job_id.to_owned(),
            include_logs: true,
            resume_after: resume_after.clone(),
            heartbeat_interval: None,
        };
        let failed = match server.watch_job(request).await {
            Err(status) => status,
            Ok(answer) => {
                let mut messages = answer.into_inner();
                loop {
                    match messages.message().await {
                        Ok(Some(message)) => {
                            reconnect.reset();
                            if !message.cursor.is_empty() {
                                resume_after = message.cursor;
                            }
                            if let Some(item) = message.item {
                                print_item(out, item, show, seen)?;
                            }
                        }
                        Ok(None) => return Ok(()),
                        Err(status) => break status,
                    }
                }
            }
        };
        reconnect.wait_or_fail(failed, wait).await?;
    }
}

fn print_item(out: Output, item: Item, show: Show, seen: &mut Option<Job>) -> Result<(), Failure> {
    if out.format() != Format::Table && show == Show::Everything {
        if let Item::Job(job) = &item {
            *seen = Some(job.clone());
        }
        return match item {
            Item::Bookmark(_) => Ok(()),
            Item::Job(_) | Item::StateChange(_) | Item::Progress(_) | Item::LogEntries(_) => {
                let message = WatchJobResponse { cursor: String::new(), item: Some(item) };
                out.item(&message, "", String::new)
            }
        };
    }
    match item {
        Item::Job(job) => {
            if show == Show::Everything {
                out.data(&one_line(&format!("{} is {}", job.job_id, state_word(&job))))?;
            }
            *seen = Some(job);
        }
        Item::StateChange(change) => print_change(out, &change, show)?,
        Item::Progress(progress) => print_progress(out, &progress, show)?,
        Item::LogEntries(entries) => print_lines(out, &entries, show)?,
        Item::Bookmark(_) => {}
    }
    Ok(())
}

fn print_change(out: Output, change: &JobStateChange, show: Show) -> Result<(), Failure> {
    let state = word(change.new_state().as_str_name(), "STATE_");
    let attempt = change.attempt;
    let why =
        change.error.as_ref().map(super::run::describe).map(|why| format!(": {why}")).unwrap_or_default();
    match show {
        Show::Everything => out.data(&one_line(&format!("{state}, attempt {attempt}{why}")))?,
        Show::Output if change.new_state() == job::State::RetryWait => {
            print_notice(&format!("attempt {attempt} failed{why}; the job will be retried"));
        }
        Show::Output => {}
    }
    Ok(())
}

fn print_progress(out: Output, progress: &JobProgress, show: Show) -> Result<(), Failure> {
    let percent = progress.percent.map(|percent| format!("{percent:.0} % ")).unwrap_or_default();
    let text = format!("{percent}{}", progress.message);
    match show {
        Show::Everything => out.data(&one_line(&format!("{} progress {text}", time(progress.time))))?,
        Show::Output => print_notice(&format!("[{}]", text.trim_end())),
    }
    Ok(())
}

fn print_lines(out: Output, entries: &LogEntries, show: Show) -> Result<(), Failure> {
    if entries.dropped_count > 0 {
        print_notice(&format!("[… {} lines left out …]", entries.dropped_count));
    }
    for entry in &entries.entries {
        if out.format() != Format::Table {
            out.item(entry, "", String::new)?;
            continue;
        }
        let errors = entry.stream() == log_entry::Stream::Stderr;
        match show {
            Show::Everything => {
                let stream = if errors { "err" } else { "out" };
                out.text(&format!("{} {stream} {}\n", time(entry.time), entry.text))?;
            }
            Show::Output if errors => print_notice(&entry.text),
            Show::Output => out.text(&format!("{}\n", entry.text))?,
        }
    }
    Ok(())
}
