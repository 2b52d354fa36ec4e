//! The shell command that has to succeed before a process counts as running.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::spawn::{Launch, Spawner};
use crate::domain::actor::ExitStatus;
use crate::ports::process_manager::ProcessSpec;

/// Wait between two checks.
const PAUSE: Duration = Duration::from_millis(200);
/// A check that takes longer failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Repeats the check until it succeeds (true) or `deadline` has passed (false). It runs in the environment and folder
/// of the process.
pub(super) async fn passes(spawner: Spawner, spec: ProcessSpec, check: String, deadline: Instant) -> bool {
    let launch = Launch {
        argv: vec!["/bin/sh".into(), "-c".into(), check.into()],
        env: spec.env.into_iter().collect(),
        dir: spec.working_dir,
        output: false,
        confinement: spec.confinement.of_helpers(),
        sha256: None,
    };
    while Instant::now() < deadline {
        let attempt = async {
            let mut child = spawner.spawn(launch.clone()).await.ok()?;
            Some(child.wait().await)
        };
        let until = deadline.min(Instant::now() + PATIENCE);
        if let Ok(Some(ExitStatus::Code(0))) = timeout_at(until, attempt).await {
            return true;
        }
        sleep(PAUSE).await;
    }
    false
}
