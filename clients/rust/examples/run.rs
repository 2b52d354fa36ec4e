//! Runs a script and prints its result: `cargo run --example client_run -- '40 + 2'`
//!
//! The server is that of HERO_SUPERVISOR_SERVER, or 127.0.0.1:50051.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use hero_supervisor::client::{Client, Run, result};
use hero_supervisor::proto::ScriptType;

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
    let script = std::env::args().nth(1).unwrap_or_else(|| "40 + 2".to_owned());
    let client = Client::connect("")?;
    let job = client.run(Run::new(ScriptType::Osis, script).timeout(Duration::from_secs(60))).await?;
    println!("{}", result(&job)?);
    Ok(())
}
