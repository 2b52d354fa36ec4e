//! Keeps other supervisors of the same Zinit from adding and deleting services at the same time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use tokio::time::{Instant, sleep};

/// Somebody who holds it longer is stuck.
const PATIENCE: Duration = Duration::from_secs(15);

/// A lock file beside Zinit's socket. The kernel gives it back when its holder dies.
pub(super) struct Lock {
    path: PathBuf,
    warned: bool,
}

/// The right to add and delete, given back by dropping it.
pub(super) struct Held {
    _lock: Option<Flock<File>>,
}

impl Lock {
    pub(super) fn beside(socket: &Path) -> Self {
        Self { path: socket.with_added_extension("supervisor-lock"), warned: false }
    }

    /// Waits for the lock; None when somebody else holds it for too long. Where no lock file can be made, everybody
    /// gets the right, and a warning is written once.
    pub(super) async fn take(&mut self) -> Option<Held> {
        let mut file = match open(&self.path) {
            Ok(file) => file,
            Err(error) => {
                if !self.warned {
                    self.warned = true;
                    let path = self.path.display();
                    tracing::warn!(%path, %error, "no lock file can be made: let only one supervisor use this zinit");
                }
                return Some(Held { _lock: None });
            }
        };
        let begun = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Some(Held { _lock: Some(lock) }),
                Err((again, Errno::EWOULDBLOCK)) if begun.elapsed() < PATIENCE => file = again,
                Err((_file, Errno::EWOULDBLOCK)) => return None,
                // A file system without locks.
                Err((_file, _errno)) => return Some(Held { _lock: None }),
            }
            sleep(Duration::from_millis(2)).await;
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o660).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("z.sock");
        let (mut one, mut other) = (Lock::beside(&socket), Lock::beside(&socket));
        let held = one.take().await.unwrap();
        assert!(other.take().await.is_none());
        drop(held);
        assert!(other.take().await.is_some());
    }

    #[tokio::test]
    async fn where_no_file_can_be_made_nobody_is_kept_out() {
        let mut lock = Lock::beside(Path::new("/no/such/folder/z.sock"));
        let _held = lock.take().await.unwrap();
        assert!(lock.take().await.is_some());
    }
}
