//! Keeps other supervisors of the same Zinit from adding and deleting services at the same time.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::geteuid;
use tokio::time::{Instant, sleep};

/// Longest time to hold the lock; a holder that takes longer is stuck.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// A lock file beside Zinit's socket. The kernel gives it back when its holder dies.
pub(super) struct Lock {
    path: PathBuf,
    socket: PathBuf,
    warned: bool,
}

/// The right to add and delete, given back by dropping it.
pub(super) struct Held {
    _lock: Option<Flock<File>>,
}

/// Reason for which the right to add and delete was not given.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// Somebody else holds the lock for too long.
    Busy,
    /// The lock file was put there by somebody who could hold it for ever: what is wrong with it.
    Untrusted(String),
}

impl Lock {
    pub(super) fn beside(socket: &Path) -> Self {
        let path = socket.with_added_extension("supervisor-lock");
        Self { path, socket: socket.to_owned(), warned: false }
    }

    /// Waits for the lock. Where no lock file can be made, everybody gets the right, and a warning is written once.
    ///
    /// # Errors
    /// `Busy` when somebody else holds it for too long; `Untrusted` when the file was put there by somebody who could hold it
    /// for ever.
    pub(super) async fn take(&mut self) -> Result<Held, NotTaken> {
        let mut file = match self.open() {
            Ok(file) => file,
            Err(Fault::NotOurs(why)) => return Err(NotTaken::Untrusted(why)),
            Err(Fault::NotMade(error)) => {
                if !self.warned {
                    self.warned = true;
                    let path = self.path.display();
                    tracing::warn!(%path, %error, "zinit: cannot make a lock file (let only one supervisor use this zinit)");
                }
                return Ok(Held { _lock: None });
            }
        };
        let begun = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Held { _lock: Some(lock) }),
                Err((again, Errno::EWOULDBLOCK)) if begun.elapsed() < TIME_LIMIT => file = again,
                Err((_file, Errno::EWOULDBLOCK)) => return Err(NotTaken::Busy),
                // A file system without locks.
                Err((_file, _errno)) => return Ok(Held { _lock: None }),
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Opens the file without following a link and without waiting for the other end of a pipe.
    fn open(&self) -> Result<File, Fault> {
        // First, as the kernel does not let us open files of others in shared folders, and does not say why.
        match std::fs::symlink_metadata(&self.path) {
            Ok(there) => self.judge(&there)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Fault::NotMade(error)),
        }
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o660).custom_flags(flags.bits());
        let file = options.open(&self.path).map_err(Fault::NotMade)?;
        // It may be another one by now.
        self.judge(&file.metadata().map_err(Fault::NotMade)?)?;
        Ok(file)
    }

    /// Checks that the lock may be waited for: a plain file of ours, of root, or of whoever runs Zinit.
    fn judge(&self, metadata: &Metadata) -> Result<(), Fault> {
        let trusted = |uid: u32| {
            let socket = || std::fs::metadata(&self.socket).is_ok_and(|socket| socket.uid() == uid);
            uid == 0 || uid == geteuid().as_raw() || socket()
        };
        let (path, uid) = (self.path.display(), metadata.uid());
        let advice = "remove it, and give zinit a socket in a folder that only its owner can write to";
        if !metadata.file_type().is_file() {
            return Err(Fault::NotOurs(format!("the lock file {path} is not a plain file: {advice}")));
        }
        if !trusted(uid) {
            let fault = format!(
                "the lock file {path} belongs to another user (uid {uid}), who could hold it for ever: {advice}"
            );
            return Err(Fault::NotOurs(fault));
        }
        Ok(())
    }
}

/// Reason for which the file was not opened.
enum Fault {
    NotMade(io::Error),
    NotOurs(String),
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("z.sock");
        let (mut one, mut other) = (Lock::beside(&socket), Lock::beside(&socket));
        let held = one.take().await.unwrap();
        assert!(matches!(other.take().await, Err(NotTaken::Busy)));
        drop(held);
        assert!(other.take().await.is_ok());
    }

    #[tokio::test]
    async fn where_no_file_can_be_made_nobody_is_kept_out() {
        let mut lock = Lock::beside(Path::new("/no/such/folder/z.sock"));
        let _held = lock.take().await.unwrap();
        assert!(lock.take().await.is_ok());
    }

    /// Returns the reason for which a lock is refused at once.
    async fn refused(lock: &mut Lock) -> String {
        match tokio::time::timeout(Duration::from_secs(5), lock.take()).await {
            Ok(Err(NotTaken::Untrusted(why))) => why,
            Ok(Ok(_) | Err(_)) | Err(_) => panic!("it was not refused at once"),
        }
    }

    #[tokio::test]
    async fn what_others_have_put_there_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut lock = Lock::beside(&dir.path().join("z.sock"));
        let path = lock.path.clone();
        let elsewhere = dir.path().join("elsewhere");
        symlink(&elsewhere, &path).unwrap();
        assert!(refused(&mut lock).await.contains("is not a plain file"));
        assert!(!elsewhere.exists(), "nothing was made through the link");
        std::fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(refused(&mut lock).await.contains("is not a plain file"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        // Only root can give a file away.
        if chown(&path, Some(65534), None).is_ok() {
            let held = Flock::lock(File::open(&path).unwrap(), FlockArg::LockExclusiveNonblock).ok();
            let why = refused(&mut lock).await;
            assert!(why.contains("another user (uid 65534)") && why.contains("folder"), "{why}");
            drop(held);
        }
    }
}
