//! Checks of the process manager.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use super::Finding;
use crate::adapters::zinit::ZinitProcessManager;
use crate::config::{Config, ProcessManagerKind};
use crate::error::chain;
use crate::ports::process_manager::{ProcessError, ProcessManager};

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    match config.process_manager {
        ProcessManagerKind::Local => vec![Finding::warn(
            "process manager",
            "the local runner",
            "actors end with the service; use Zinit where they must go on",
        )],
        ProcessManagerKind::Zinit => zinit(&config.zinit_socket).await,
    }
}

async fn zinit(socket: &Path) -> Vec<Finding> {
    let shown = socket.display();
    let install = "install and start it (cargo install zinit --version 0.3.9 --locked; zinit-server -c DIR -s SOCKET), \
                   name its socket with --zinit-socket, or use --process-manager local";
    let Ok(metadata) = std::fs::metadata(socket) else {
        return vec![Finding::fail("zinit", format!("there is no socket {shown}"), install)];
    };
    if !metadata.file_type().is_socket() {
        return vec![Finding::fail("zinit", format!("{shown} is not a socket"), install)];
    }
    if let Err(error) = access(socket, AccessFlags::R_OK | AccessFlags::W_OK) {
        let todo = "run the service as a user that may write to it, or give its group the right";
        return vec![Finding::fail("zinit", format!("{shown} cannot be used: {}", error.desc()), todo)];
    }
    let zinit = ZinitProcessManager::new(socket);
    let probed = zinit.probe().await;
    zinit.close().await;
    match probed {
        Ok(info) => {
            let answers = format!("{} at {shown}, answers in {:.1?}", info.name, info.latency);
            let limits = info.limits.iter().map(|limit| Finding::note("zinit limit", *limit));
            [Finding::ok("zinit", answers)].into_iter().chain(limits).collect()
        }
        Err(error) => vec![Finding::fail("zinit", format!("{shown}: {}", chain(&error)), todo_of(&error))],
    }
}

fn todo_of(error: &ProcessError) -> &'static str {
    match error {
        ProcessError::Unavailable(_) => "nobody listens there: start Zinit again",
        ProcessError::TimedOut { .. } => "Zinit hangs: look at its log, and start it again",
        ProcessError::Unsupported { .. } => "use one of the Zinit versions that it names",
        ProcessError::NotFound { .. } | ProcessError::Rejected { .. } | ProcessError::Corrupt(_) => {
            "make sure that it is Zinit that listens there"
        }
    }
}
