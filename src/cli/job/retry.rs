//! `job retry`: a job once more, as it is or as a new one with another input.

use std::path::PathBuf;

use clap::Args;

use super::spec::Source;
use super::{find, id, rows};
use crate::cli::{ClientArgs, Exit, Failure, Output, client};
use crate::domain::model::id::JobId;
use crate::proto::RetryJobRequest;

/// Options of `job retry`.
#[derive(Debug, Clone, Args)]
pub struct RetryArgs {
    /// Id of the job, or at least 6 characters of its beginning
    job: String,
    /// Count attempts from the beginning, instead of allowing one more
    #[arg(long)]
    reset_attempts: bool,
    /// Run the job again as a new job with this input, JSON or '' for none; - reads it from standard input
    #[arg(short, long, value_name = "JSON", conflicts_with = "input_file")]
    input: Option<String>,
    /// The same, with the input from this file; - is standard input
    #[arg(long, value_name = "FILE")]
    input_file: Option<PathBuf>,
    /// Request id: a repeat with the same id returns the same new job [default: a new one]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

pub(super) async fn run(client: &ClientArgs, out: Output, args: RetryArgs) -> Result<Exit, Failure> {
    // The input is read before the server is called, so that a missing file is reported first.
    let source = Source::of(args.input_file.as_deref(), args.input.as_deref());
    let input = source.map(|source| source.read("input")).transpose()?;
    let request_id = match (args.request_id, &input) {
        (Some(chosen), _) => chosen,
        // A response can be lost, and the call be repeated.
        (None, Some(_)) => JobId::mint().to_string(),
        (None, None) => String::new(),
    };
    let mut server = client.connect().await?;
    let job_id = find::job_id(&mut server, args.job).await?;
    let request = RetryJobRequest { job_id, reset_attempts: args.reset_attempts, input, request_id };
    let answer = server.retry_job(client::call(request)).await?.into_inner();
    out.listing(&answer, id(&answer.job), || rows(answer.job.as_slice(), &[]))?;
    Ok(Exit::Ok)
}
