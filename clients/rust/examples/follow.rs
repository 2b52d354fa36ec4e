//! Submits a job, prints its lines while it runs, and then its result.
//!
//! The server is that of HERO_SUPERVISOR_SERVER, or 127.0.0.1:50051.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use futures::TryStreamExt;
use hero_supervisor::client::{Client, Run};
use hero_supervisor::proto::ScriptType;

const TIMEOUT: Duration = Duration::from_secs(60);

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
    let script = r#"print("one"); print("two"); 40 + 2"#;
    let job = client.submit(Run::new(ScriptType::Osis, script).timeout(TIMEOUT)).await?;
    let mut lines = job.logs();
    while let Some(line) = lines.try_next().await? {
        println!("| {}", line.text);
    }
    println!("{}", job.result(Some(TIMEOUT)).await?);
    Ok(())
}
