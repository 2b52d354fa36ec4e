//! `job cancel` and `job delete`.

use clap::Args;
use futures::{StreamExt, stream};
use tonic::{Code, Status};

use super::filter::{FilterArgs, state_word};
use super::{find, id, render};
use crate::cli::client::{self, Server};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::output::DRY_RUN;
use crate::cli::values::jobs;
use crate::cli::{Exit, Failure, Output};
use crate::proto::{CancelJobRequest, CancelJobResponse, DeleteJobRequest, job};

/// Most jobs that one command cancels by a filter.
const MOST: usize = 10_000;
/// Calls under way at the same time.
const AT_ONCE: usize = 16;
/// The states of jobs that can be cancelled.
const UNFINISHED: [job::State; 5] = [
    job::State::Blocked,
    job::State::Scheduled,
    job::State::Queued,
    job::State::Running,
    job::State::RetryWait,
];

/// Options of `job cancel`.
#[derive(Debug, Clone, Args)]
pub struct CancelArgs {
    /// Ids of jobs, or their beginnings
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    /// Instead of ids: all unfinished jobs that meet these conditions.
    #[command(flatten)]
    filter: FilterArgs,
    /// Change nothing if more jobs than this meet the conditions
    #[arg(long, value_name = "N")]
    expected_count: Option<usize>,
    /// Show the jobs that meet the conditions and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Reason; becomes the cancel reason of the jobs
    #[arg(long, value_name = "TEXT", default_value = "cancelled from the command line")]
    reason: String,
    /// Question before jobs that meet the conditions are cancelled.
    #[command(flatten)]
    confirm: ConfirmArgs,
}

pub(super) async fn run(server: &mut Server, out: Output, args: CancelArgs) -> Result<Exit, Failure> {
    match (args.jobs.is_empty(), args.filter.is_empty()) {
        (true, true) => Err(Failure::usage(
            "which jobs? name their ids, or say --type, --state, --caller, --context, --actor, --label, --since or --before",
        )),
        (false, false) => Err(Failure::usage("ids and conditions were given: give one of them")),
        (false, true) if args.dry_run || args.expected_count.is_some() => {
            Err(Failure::usage("--dry-run and --expected-count are for conditions, not for ids"))
        }
        (false, true) => by_id(server, out, args.jobs, &args.reason).await,
        (true, false) => by_filter(server, out, args).await,
    }
}

async fn by_id(server: &mut Server, out: Output, jobs: Vec<String>, reason: &str) -> Result<Exit, Failure> {
    for given in jobs {
        let job_id = find::job_id(server, given).await?;
        let request = CancelJobRequest { job_id: job_id.clone(), reason: reason.to_owned() };
        let answer = server.cancel_job(client::call(request)).await?.into_inner();
        out.response(&answer, id(&answer.job), || match (&answer.job, answer.changed) {
            (Some(job), false) => format!("{job_id} had ended before: {}", state_word(job)),
            (_, _changed) => format!("{job_id} cancelled"),
        })?;
    }
    Ok(Exit::Ok)
}

async fn by_filter(server: &mut Server, out: Output, args: CancelArgs) -> Result<Exit, Failure> {
    if args.filter.states().iter().any(|state| !UNFINISHED.contains(state)) {
        return Err(Failure::usage(
            "only unfinished jobs can be cancelled: use --state scheduled, queued, running or retry_wait",
        ));
    }
    let left_out = args.filter.left_out(server).await;
    let found = args.filter.or_in_states(&UNFINISHED).newest(server, MOST + 1).await?;
    let count = found.jobs.len();
    if count > MOST {
        let message = format!(
            "more than {MOST} jobs meet the conditions: add conditions, or use `hero-supervisor queue purge`"
        );
        return Err(Failure::new(Exit::Refused, message));
    }
    let counted = jobs(i64::try_from(count).unwrap_or(i64::MAX));
    if args.dry_run {
        let ids = found.jobs.iter().map(|job| job.job_id.clone());
        out.listing(&found, ids, || render::rows(&found.jobs, &[]))?;
        out.notice(&format!("{counted} would be cancelled; {DRY_RUN}"));
        left_out.iter().for_each(|queues| out.notice(queues));
        return Ok(Exit::Ok);
    }
    if let Some(expected) = args.expected_count.filter(|expected| count > *expected) {
        let message =
            format!("{counted} meet the conditions, more than the expected {expected}: nothing was changed");
        return Err(Failure::new(Exit::Refused, message));
    }
    if count > 0 {
        args.confirm.ask(&format!("cancel {counted}?"))?;
    }
    let ids = found.jobs.into_iter().map(|job| job.job_id).collect();
    let cancelled = all(server, out, ids, &args.reason).await?;
    let rest = match count - cancelled {
        0 => String::new(),
        rest => format!(", {} had ended meanwhile", jobs(i64::try_from(rest).unwrap_or(i64::MAX))),
    };
    out.notice(&format!("{} cancelled{rest}", jobs(i64::try_from(cancelled).unwrap_or(i64::MAX))));
    left_out.iter().for_each(|queues| out.notice(queues));
    Ok(Exit::Ok)
}

/// Cancels jobs, some at a time. Returns the number of those that had not ended before.
async fn all(server: &Server, out: Output, ids: Vec<String>, reason: &str) -> Result<usize, Failure> {
    let call = |job_id: String| {
        let request = CancelJobRequest { job_id, reason: reason.to_owned() };
        let mut server = server.clone();
        async move { server.cancel_job(client::call(request)).await }
    };
    let mut answers = stream::iter(ids).map(call).buffer_unordered(AT_ONCE);
    let mut cancelled = 0;
    while let Some(answer) = answers.next().await {
        match answer.map(tonic::Response::into_inner) {
            Ok(answer) => {
                cancelled += usize::from(answer.changed);
                show(out, &answer)?;
            }
            Err(status) if is_gone(&status) => {}
            Err(status) => {
                out.notice(&format!("{cancelled} jobs were cancelled before this:"));
                return Err(status.into());
            }
        }
    }
    Ok(cancelled)
}

fn is_gone(status: &Status) -> bool {
    status.code() == Code::NotFound
}

fn show(out: Output, answer: &CancelJobResponse) -> Result<(), Failure> {
    let job = answer.job.as_ref();
    let (job_id, state) =
        (job.map_or("", |job| job.job_id.as_str()), job.map(state_word).unwrap_or_default());
    out.item(answer, job_id, || format!("{job_id} {state}"))
}

/// Options of `job delete`.
#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    /// Ids of jobs that have ended, or their beginnings
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
    /// Succeed if a job does not exist
    #[arg(long)]
    allow_missing: bool,
    /// Question before the removal.
    #[command(flatten)]
    confirm: ConfirmArgs,
}

pub(super) async fn delete(server: &mut Server, out: Output, args: DeleteArgs) -> Result<Exit, Failure> {
    let mut ids = Vec::with_capacity(args.jobs.len());
    for given in args.jobs {
        let found = find::job_id(server, given.clone()).await;
        ids.push(match found {
            Err(failure) if args.allow_missing && failure.exit == Exit::NotFound => given,
            found => found?,
        });
    }
    args.confirm.ask(&format!("delete {} and what is known of them?", ids.join(", ")))?;
    for job_id in ids {
        let request = DeleteJobRequest { job_id: job_id.clone(), allow_missing: args.allow_missing };
        let answer = server.delete_job(client::call(request)).await?.into_inner();
        out.response(&answer, [job_id.clone()], || match answer.changed {
            true => format!("{job_id} deleted"),
            false => format!("{job_id} was not there"),
        })?;
    }
    Ok(Exit::Ok)
}
