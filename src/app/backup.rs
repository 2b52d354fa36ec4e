//! `backup` and `restore`: what Redis has in a file, and from the file into an empty Redis, which may be of another kind.
//!
//! | file | subject |
//! |---|---|
//! | `making`, `target` | the command `backup`; its file, which appears whole or not at all |
//! | `restoring`, `plan` | the command `restore`; whether a Redis takes a backup, and from which line on |
//! | `writer`, `reader`, `seal`, `line` | the format of the file |

mod line;
mod making;
mod plan;
mod progress;
mod reader;
mod restoring;
mod seal;
mod target;
mod writer;

use super::runtime;
use super::serve::no_runtime;
use crate::adapters::redis::BackupFault;
use crate::cli::{Exit, Failure};
use crate::config::Config;
use crate::error::chain;
use crate::ports::store_fault::{Refusal, StoreFault};
use crate::shutdown::{Shutdown, Signals};

pub use making::backup;
pub use restoring::restore;

/// Runs a command until its end, or until a signal breaks it off.
fn run(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = runtime::build(None).map_err(|error| no_runtime(&error))?;
    runtime.block_on(async {
        let signals = Signals::catch().map_err(|error| no_runtime(&error))?;
        let shutdown = Shutdown::new();
        tokio::select! {
            biased;
            ended = work => ended,
            () = signals.drive(&shutdown) => Err(interrupted()),
            () = shutdown.soft().cancelled() => Err(interrupted()),
        }
    })
}

fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted")
}

/// Makes the failure of a Redis that fails or refuses. `state` says what has been done until then.
fn failed(config: &Config, fault: &BackupFault, state: &str) -> Failure {
    let (exit, hint) = match fault {
        BackupFault::Store(StoreFault::Unavailable(_) | StoreFault::TimedOut { .. }) => {
            (Exit::Unreachable, "run `hero-supervisor doctor` to see why")
        }
        BackupFault::Store(StoreFault::Refused { refusal: Refusal::AccessDenied, .. }) => (
            Exit::Refused,
            "log in as a user with the rights that `hero-supervisor doctor --print-acl --for-backups` prints",
        ),
        BackupFault::Store(StoreFault::Refused { refusal: Refusal::Full, .. }) => {
            (Exit::Refused, "give Redis more memory (`maxmemory`), and run the same command again")
        }
        BackupFault::Store(StoreFault::Refused { .. } | StoreFault::Corrupt { .. })
        | BackupFault::Unsteady
        | BackupFault::Stopped
        | BackupFault::Unfit { .. } => (Exit::Refused, ""),
        BackupFault::Store(StoreFault::Rejected { .. }) => (Exit::Usage, ""),
    };
    let hint = if hint.is_empty() { String::new() } else { format!("\n  hint: {hint}") };
    Failure::new(exit, format!("Redis at {}: {}; {state}{hint}", config.redis_url, chain(fault)))
}
