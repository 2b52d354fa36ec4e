//! `job`: runs, submits, awaits, shows, cancels and retries jobs.

mod batch;
mod cancel;
mod explain;
mod filter;
mod find;
mod follow;
mod render;
mod retry;
mod run;
mod spec;
mod unique;
mod wait;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use prost_types::FieldMask;

use super::client::Server;
use super::values::span;
use super::{ClientArgs, Exit, Failure, Output, client};
use crate::proto::{self, Job, JobView};

pub(super) use filter::STATES;
use filter::{FilterArgs, state_word};
use render::{rows, show};

/// Verbs of `job`.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Run a script, wait for its end and print its result
    Run(Box<run::RunArgs>),
    /// Submit a script and print the id of its job, now or later; or many from a file
    Submit(Box<SubmitArgs>),
    /// Wait for the end of a job and print its result
    Await {
        /// Id of the job, or at least 6 characters of its beginning
        job: String,
        /// Stop waiting after this time; the job continues
        #[arg(long, value_name = "TIME", value_parser = span)]
        timeout: Option<Duration>,
    },
    /// Show one job
    Get {
        /// Id of the job, or at least 6 characters of its beginning
        job: String,
        /// Include its script and environment
        #[arg(long)]
        script: bool,
    },
    /// Say why a job does not run, what is ahead of it, and when it is likely to start
    Explain {
        /// Id of the job, or at least 6 characters of its beginning
        job: String,
    },
    /// List jobs, the newest first
    #[command(visible_alias = "list")]
    Ls {
        /// Conditions.
        #[command(flatten)]
        filter: Box<FilterArgs>,
        /// Most jobs to list
        #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// Show the value of this label as a column; can be repeated
        #[arg(short = 'L', long = "label-column", value_name = "NAME")]
        label_columns: Vec<String>,
    },
    /// Show the output of a job
    Logs {
        /// Id of the job, or at least 6 characters of its beginning
        job: String,
        /// Follow the job to its end, and exit with its outcome
        #[arg(short, long)]
        follow: bool,
    },
    /// Follow a job to its end: states, progress and output
    Watch {
        /// Id of the job, or at least 6 characters of its beginning
        job: String,
    },
    /// Cancel jobs, by their ids or by conditions
    Cancel(Box<cancel::CancelArgs>),
    /// Remove finished jobs, their results and their output
    #[command(visible_alias = "rm")]
    Delete(cancel::DeleteArgs),
    /// Change a job that waits: its priority
    Update {
        /// Id of the job, or at least 6 characters of its beginning
        job: String,
        /// New priority: 1 runs first, 5 last
        #[arg(short, long, value_name = "N")]
        priority: i32,
    },
    /// Put a failed or cancelled job into its queue once more, under its own id; or run an ended one again with another input
    Retry(retry::RetryArgs),
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
        JobCommand::Submit(args) => submit(&client, out, *args).await,
        JobCommand::Await { job, timeout } => {
            let mut server = client.connect().await?;
            let job = find::job_id(&mut server, job).await?;
            run::await_job(&mut server, out, job, timeout).await
        }
        JobCommand::Get { job, script } => {
            let view = if script { JobView::Full } else { JobView::Basic };
            let mut server = client.connect().await?;
            let job_id = find::job_id(&mut server, job).await?;
            let request = proto::GetJobRequest { job_id, view: view.into() };
            let answer = server.get_job(client::call(request)).await?.into_inner();
            out.response(&answer, id(&answer.job), || answer.job.as_ref().map(show).unwrap_or_default())?;
            Ok(Exit::Ok)
        }
        JobCommand::Explain { job } => explain::run(&mut client.connect().await?, out, job).await,
        JobCommand::Ls { filter, limit, label_columns } => {
            let mut server = client.connect().await?;
            list(&mut server, out, *filter, limit, &label_columns).await
        }
        JobCommand::Logs { job, follow } => {
            let mut server = client.connect().await?;
            let job = find::job_id(&mut server, job).await?;
            follow::logs(&mut server, out, job, follow::Show::Output, follow).await
        }
        JobCommand::Watch { job } => {
            let mut server = client.connect().await?;
            let job = find::job_id(&mut server, job).await?;
            follow::logs(&mut server, out, job, follow::Show::Everything, true).await
        }
        JobCommand::Cancel(args) => cancel::run(&mut client.connect().await?, out, *args).await,
        JobCommand::Delete(args) => cancel::delete(&mut client.connect().await?, out, args).await,
        JobCommand::Update { job, priority } => {
            let mut server = client.connect().await?;
            let job_id = find::job_id(&mut server, job).await?;
            let job = proto::JobSpec { priority: Some(priority), ..Default::default() };
            let update_mask = Some(FieldMask { paths: vec!["priority".to_owned()] });
            let request = proto::UpdateJobRequest { job_id, job: Some(job), update_mask };
            let answer = server.update_job(client::call(request)).await?.into_inner();
            out.listing(&answer, id(&answer.job), || rows(answer.job.as_slice(), &[]))?;
            Ok(Exit::Ok)
        }
        JobCommand::Retry(args) => retry::run(&client, out, args).await,
    }
}

/// Options of `job submit`.
#[derive(Debug, Clone, Args)]
pub struct SubmitArgs {
    /// The job.
    #[command(flatten)]
    spec: spec::SpecArgs,
    /// Submit many jobs: a SubmitJobRequest of the API, or only its job, as JSON on each line of this file; - is
    /// standard input. {"script": "40 + 2", "scriptType": "osis"} for instance
    #[arg(long, value_name = "FILE", conflicts_with_all = spec::OPTIONS)]
    from_file: Option<PathBuf>,
}

async fn submit(client: &ClientArgs, out: Output, args: SubmitArgs) -> Result<Exit, Failure> {
    if let Some(file) = args.from_file {
        return batch::run(&mut client.connect().await?, out, &file).await;
    }
    // The script is read before the server is called, so that a missing file is reported first.
    let request = args.spec.into_request()?;
    let answer = client.connect().await?.submit_job(client::call(request)).await?.into_inner();
    if answer.existing {
        out.notice("a job with this unique key was there before: this is its id");
    }
    out.response(&answer, id(&answer.job), || id(&answer.job).concat())?;
    Ok(Exit::Ok)
}

async fn list(
    server: &mut Server,
    out: Output,
    filter: FilterArgs,
    limit: usize,
    labels: &[String],
) -> Result<Exit, Failure> {
    let left_out = filter.left_out(server).await;
    let all = filter.newest(server, limit).await?;
    out.listing(&all, all.jobs.iter().map(|job| job.job_id.clone()), || rows(&all.jobs, labels))?;
    if !all.next_page_token.is_empty() {
        out.notice(&format!("these are the newest {limit}; see more with -n N"));
    }
    left_out.iter().for_each(|queues| out.notice(queues));
    Ok(Exit::Ok)
}

fn id(job: &Option<Job>) -> Vec<String> {
    job.iter().map(|job| job.job_id.clone()).collect()
}
