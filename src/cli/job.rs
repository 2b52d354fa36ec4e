//! `job`: runs, submits, awaits, shows, cancels and retries jobs.

mod follow;
mod render;
mod run;
mod spec;

use std::time::Duration;

use clap::Subcommand;

use super::client::Server;
use super::values::{self, span, word};
use super::{ClientArgs, Exit, Failure, Output, client};
use crate::proto::{self, Job, JobView, job};
use render::{rows, show};

/// Jobs of one call; their results can be large.
const PAGE_SIZE: i32 = 100;

/// Verbs of `job`.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Run a script, wait for its end and print its result
    Run(Box<run::RunArgs>),
    /// Submit a script and print the id of its job
    Submit(Box<spec::SpecArgs>),
    /// Wait for the end of a job and print its result
    Await {
        /// Id of the job
        job: String,
        /// Stop waiting after this time; the job continues
        #[arg(long, value_name = "TIME", value_parser = span)]
        timeout: Option<Duration>,
    },
    /// Show one job
    Get {
        /// Id of the job
        job: String,
        /// Include its script and environment
        #[arg(long)]
        script: bool,
    },
    /// List jobs, the newest first
    #[command(visible_alias = "list")]
    Ls {
        /// Only jobs of these script types: osis, sal, v or python
        #[arg(long = "type", value_name = "TYPE", value_parser = values::script_type)]
        types: Vec<proto::ScriptType>,
        /// Only jobs in these states: scheduled, queued, running, retry_wait, succeeded, failed or cancelled
        #[arg(long = "state", value_name = "STATE", value_parser = state)]
        states: Vec<job::State>,
        /// Only jobs of this caller
        #[arg(long, value_name = "ID")]
        caller: Option<String>,
        /// Only jobs of this context
        #[arg(long, value_name = "ID")]
        context: Option<String>,
        /// Only jobs that this actor has or had last
        #[arg(long, value_name = "ACTOR")]
        actor: Option<String>,
        /// Most jobs to list
        #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// Show the value of this label as a column; can be repeated
        #[arg(short = 'L', long = "label-column", value_name = "NAME")]
        label_columns: Vec<String>,
    },
    /// Show the output of a job
    Logs {
        /// Id of the job
        job: String,
        /// Follow the job to its end, and exit with its outcome
        #[arg(short, long)]
        follow: bool,
    },
    /// Follow a job to its end: states, progress and output
    Watch {
        /// Id of the job
        job: String,
    },
    /// Cancel jobs
    Cancel {
        /// Ids of jobs
        #[arg(required = true)]
        jobs: Vec<String>,
        /// Reason; becomes the cancel reason of the jobs
        #[arg(long, default_value = "cancelled from the command line")]
        reason: String,
    },
    /// Put a failed or cancelled job into its queue once more, under its own id
    Retry {
        /// Id of the job
        job: String,
        /// Count attempts from the beginning, instead of allowing one more
        #[arg(long)]
        reset_attempts: bool,
    },
}

pub(super) async fn run(client: ClientArgs, verb: JobCommand) -> Result<Exit, Failure> {
    let out = client.printer();
    match verb {
        JobCommand::Run(run) => {
            // The script is read before the server is called, so that a missing file is reported first.
            let follow = run.follow;
            let (wait, request) = run.into_request()?;
            let mut server = client.connect().await?;
            if follow {
                return follow::run(&mut server, out, request, wait).await;
            }
            run::run(&mut server, out, request, wait).await
        }
        JobCommand::Submit(spec) => {
            let request = spec.into_request()?;
            let mut server = client.connect().await?;
            let answer = server.submit_job(client::call(request)).await?.into_inner();
            out.response(&answer, id(&answer.job), || id(&answer.job).concat())?;
            Ok(Exit::Ok)
        }
        JobCommand::Await { job, timeout } => {
            let mut server = client.connect().await?;
            run::await_job(&mut server, out, job, timeout).await
        }
        JobCommand::Get { job, script } => {
            let view = if script { JobView::Full } else { JobView::Basic };
            let request = proto::GetJobRequest { job_id: job, view: view.into() };
            let answer = client.connect().await?.get_job(client::call(request)).await?.into_inner();
            out.response(&answer, id(&answer.job), || answer.job.as_ref().map(show).unwrap_or_default())?;
            Ok(Exit::Ok)
        }
        JobCommand::Ls { types, states, caller, context, actor, limit, label_columns } => {
            let request = proto::ListJobsRequest {
                script_types: types.into_iter().map(i32::from).collect(),
                states: states.into_iter().map(i32::from).collect(),
                caller_id: caller.unwrap_or_default(),
                context_id: context.unwrap_or_default(),
                actor_id: actor.unwrap_or_default(),
                ..Default::default()
            };
            let mut server = client.connect().await?;
            list(&mut server, out, request, limit, &label_columns).await
        }
        JobCommand::Logs { job, follow } => {
            let mut server = client.connect().await?;
            follow::logs(&mut server, out, job, follow::Show::Output, follow).await
        }
        JobCommand::Watch { job } => {
            let mut server = client.connect().await?;
            follow::logs(&mut server, out, job, follow::Show::Everything, true).await
        }
        JobCommand::Cancel { jobs, reason } => {
            let mut server = client.connect().await?;
            cancel(&mut server, out, jobs, reason).await
        }
        JobCommand::Retry { job, reset_attempts } => {
            let request = proto::RetryJobRequest { job_id: job, reset_attempts };
            let answer = client.connect().await?.retry_job(client::call(request)).await?.into_inner();
            out.listing(&answer, id(&answer.job), || rows(answer.job.as_slice(), &[]))?;
            Ok(Exit::Ok)
        }
    }
}

async fn list(
    server: &mut Server,
    out: Output,
    mut request: proto::ListJobsRequest,
    limit: usize,
    labels: &[String],
) -> Result<Exit, Failure> {
    let mut all = proto::ListJobsResponse::default();
    while all.jobs.len() < limit {
        // Never more than are still wanted, so that the last token is that of the last listed job.
        let wanted = i32::try_from(limit - all.jobs.len()).unwrap_or(PAGE_SIZE);
        request.page_size = wanted.min(PAGE_SIZE);
        let page = server.list_jobs(client::call(request.clone())).await?.into_inner();
        all.jobs.extend(page.jobs);
        all.next_page_token.clone_from(&page.next_page_token);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    out.listing(&all, all.jobs.iter().map(|job| job.job_id.clone()), || rows(&all.jobs, labels))?;
    if !all.next_page_token.is_empty() {
        out.notice(&format!("these are the newest {limit}; see more with -n N"));
    }
    Ok(Exit::Ok)
}

async fn cancel(
    server: &mut Server,
    out: Output,
    jobs: Vec<String>,
    reason: String,
) -> Result<Exit, Failure> {
    for job_id in jobs {
        let request = proto::CancelJobRequest { job_id: job_id.clone(), reason: reason.clone() };
        let answer = server.cancel_job(client::call(request)).await?.into_inner();
        out.response(&answer, id(&answer.job), || match (&answer.job, answer.changed) {
            (Some(job), false) => format!("{job_id} had ended before: {}", state_word(job)),
            (_, _changed) => format!("{job_id} cancelled"),
        })?;
    }
    Ok(Exit::Ok)
}

/// Parses a state.
fn state(raw: &str) -> Result<job::State, String> {
    let name = format!("STATE_{}", raw.to_ascii_uppercase());
    job::State::from_str_name(&name)
        .filter(|state| *state != job::State::Unspecified)
        .ok_or_else(|| format!("{raw:?} is not a state of jobs"))
}

fn state_word(job: &Job) -> String {
    word(job.state().as_str_name(), "STATE_")
}

fn id(job: &Option<Job>) -> Vec<String> {
    job.iter().map(|job| job.job_id.clone()).collect()
}
