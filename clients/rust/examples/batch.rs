//! Submits many jobs at once, waits for all of them, and lists what the server keeps of them.
//!
//! The server is that of HERO_SUPERVISOR_SERVER, or 127.0.0.1:50051.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use futures::TryStreamExt;
use hero_supervisor::client::Client;
use hero_supervisor::proto::{Job, JobSpec, ListJobsRequest, ScriptType, SubmitJobRequest};

const TIMEOUT: Option<Duration> = Some(Duration::from_secs(60));

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let client = Client::connect("")?;
    let caller = format!("batch-{}", uuid::Uuid::new_v4());
    let request = |number: u32| {
        let spec = JobSpec {
            script_type: ScriptType::Osis.into(),
            script: format!("{number} * {number}"),
            caller_id: caller.clone(),
            ..JobSpec::default()
        };
        SubmitJobRequest { job: Some(spec), ..SubmitJobRequest::default() }
    };
    for job in client.submit_many((0..5).map(request), TIMEOUT).await {
        println!("{}", job?.result(TIMEOUT).await?);
    }
    let list = ListJobsRequest { caller_id: caller, page_size: 2, ..ListJobsRequest::default() };
    let jobs: Vec<Job> = client.jobs(list).try_collect().await?;
    println!("{} jobs", jobs.len());
    Ok(())
}
