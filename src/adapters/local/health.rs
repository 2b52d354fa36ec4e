//! The shell command that has to succeed before a process counts as running.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::spawn::{Child, Launch, Spawner};
use crate::adapters::exec_shim::{CHECK_OUTPUT_BYTES, check_failure};
use crate::domain::model::actor::ExitStatus;
use crate::ports::process_manager::ProcessSpec;

/// Wait between two checks.
const PAUSE: Duration = Duration::from_millis(200);
/// A check that takes longer failed.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Time for the last words of a check whose children hold its output.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Repeats the check until it succeeds or `deadline` has passed; then the answer is how it failed the last time. It runs in
/// the environment and folder of the process.
pub(super) async fn passes(
    spawner: Spawner,
    spec: ProcessSpec,
    check: String,
    deadline: Instant,
) -> Result<(), String> {
    let launch = Launch {
        argv: vec!["/bin/sh".into(), "-c".into(), check.into()],
        env: spec.env.into_iter().collect(),
        env_from_file: spec.env_from_file,
        dir: spec.working_dir,
        output: true,
        confinement: spec.confinement.of_helpers(),
        sha256: None,
    };
    let mut last = "was not over".to_owned();
    while Instant::now() < deadline {
        let attempt = async {
            match spawner.spawn(launch.clone()).await {
                Ok(child) => ended(child).await,
                Err(error) => Err(format!("could not be run: {error}")),
            }
        };
        let until = deadline.min(Instant::now() + TIME_LIMIT);
        last = match timeout_at(until, attempt).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why,
            Err(_elapsed) if until < deadline => format!("took longer than {TIME_LIMIT:?}"),
            // Cut off by the end of all checks; what the one before said tells more.
            Err(_elapsed) => last,
        };
        sleep(PAUSE).await;
    }
    Err(last)
}

/// Waits for the end of a check; a failure is told with the end of what it wrote.
async fn ended(mut child: Child) -> Result<(), String> {
    let (stdout, stderr) = child.outputs();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut written =
        Box::pin(async { tokio::join!(keep_tail(stdout, &mut out), keep_tail(stderr, &mut err)) });
    // It could not go on writing if nobody read.
    let exit = tokio::select! {
        exit = child.wait() => {
            let _cut_off = timeout(LAST_WORDS, &mut written).await;
            exit
        }
        _ = &mut written => child.wait().await,
    };
    drop(written);
    match exit {
        ExitStatus::Code(0) => Ok(()),
        exit @ (ExitStatus::Code(_) | ExitStatus::Signal(_) | ExitStatus::Unknown) => {
            out.append(&mut err);
            Err(check_failure(&format!("ended with {exit}"), &out))
        }
    }
}

/// Reads an output to its end, and keeps the end of it.
async fn keep_tail(output: Option<impl AsyncRead + Unpin>, tail: &mut Vec<u8>) {
    let Some(mut output) = output else { return };
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = output.read(&mut chunk).await {
        tail.extend_from_slice(&chunk[..read]);
        tail.drain(..tail.len().saturating_sub(CHECK_OUTPUT_BYTES));
    }
}
