//! A private Redis on a unix socket: append-only, ended with this process.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::DevError;
use super::folders::Folders;
use crate::app::adapters;

/// The program.
const REDIS_SERVER: &str = "redis-server";
/// Limit of the start, which may read a large append-only file.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Limit of the end, in which Redis writes its last second to disk.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Interval of the checks of the socket; Redis is up in about ten milliseconds.
const LOOK: Duration = Duration::from_millis(5);
/// Lines of its log in the error of a failed start.
const TAIL_LINES: usize = 5;

/// A running Redis, killed when it is dropped.
pub(in crate::app) struct PrivateRedis {
    child: Child,
}

impl PrivateRedis {
    /// Starts Redis and waits until its socket answers.
    pub(in crate::app) async fn start(folders: &Folders) -> Result<Self, DevError> {
        let mut child = command(folders).spawn().map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            if missing { DevError::NoRedis } else { DevError::RedisFailed(error.to_string()) }
        })?;
        let socket = folders.redis_socket();
        let deadline = Instant::now() + START_LIMIT;
        while UnixStream::connect(&socket).await.is_err() {
            if let Ok(Some(status)) = child.try_wait() {
                if status.code() == Some(127) {
                    return Err(DevError::NoRedis);
                }
                return Err(DevError::RedisFailed(format!("{status}; {}", last_words(&folders.redis_log()))));
            }
            if Instant::now() > deadline {
                return Err(DevError::RedisFailed(format!(
                    "no answer within {START_LIMIT:?}; {}",
                    last_words(&folders.redis_log())
                )));
            }
            sleep(LOOK).await;
        }
        Ok(Self { child })
    }

    /// Ends Redis by SIGTERM, and by SIGKILL after a time limit or when `hard` is cancelled.
    pub(in crate::app) async fn stop(mut self, hard: &CancellationToken) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid
            && let Err(error) = kill(Pid::from_raw(pid), Signal::SIGTERM)
        {
            tracing::debug!(%error, "redis-server: ended already ({error})");
        }
        let gone = timeout(STOP_LIMIT, self.child.wait());
        tokio::select! {
            gone = gone => if matches!(gone, Ok(Ok(_))) { return },
            () = hard.cancelled() => {}
        }
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "redis-server: not killed ({error})");
        }
    }
}

/// Builds the command of `redis-server`. It has a process group of its own, so that Ctrl-C reaches only this process.
/// The shim makes it die with this process.
fn command(folders: &Folders) -> Command {
    let mut command = match adapters::shim() {
        Some(words) => {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).args(["--parent", &std::process::id().to_string(), "--", REDIS_SERVER]);
            command
        }
        None => Command::new(REDIS_SERVER),
    };
    command
        .args([
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--daemonize",
            "no",
            "--unixsocketperm",
            "600",
        ])
        .arg("--unixsocket")
        .arg(folders.redis_socket())
        .arg("--dir")
        .arg(folders.redis_data())
        .arg("--logfile")
        .arg(folders.redis_log())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    command
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(TAIL_LINES).collect();
    let tail = lines.into_iter().rev().collect::<Vec<_>>().join("\n  ");
    format!("{} says:\n  {tail}", log.display())
}
