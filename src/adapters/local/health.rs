//! The shell command that has to succeed before a process counts as running.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::spawn::{Launch, Spawner};
use crate::domain::model::actor::ExitStatus;
use crate::ports::process_manager::ProcessSpec;

/// Wait between two checks.
const PAUSE: Duration = Duration::from_millis(200);
/// A check that takes longer failed.
const TIME_LIMIT: Duration = Duration::from_secs(5);

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
        output: false,
        confinement: spec.confinement.of_helpers(),
        sha256: None,
    };
    let mut last = "was not over".to_owned();
    while Instant::now() < deadline {
        let attempt = async {
            match spawner.spawn(launch.clone()).await {
                Ok(mut child) => match child.wait().await {
                    ExitStatus::Code(0) => Ok(()),
                    exit @ (ExitStatus::Code(_) | ExitStatus::Signal(_) | ExitStatus::Unknown) => {
                        Err(format!("ended with {exit}"))
                    }
                },
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
