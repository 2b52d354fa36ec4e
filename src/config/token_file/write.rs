//! Replacing a private file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;

use super::TokenFileError;

/// Mode of the file: what it allows is nobody else's business, though secrets are not in it.
const PRIVATE: u32 = 0o600;
/// Attempts to lock: ten seconds for another writer to finish.
const LOCK_ATTEMPTS: u32 = 500;
/// Interval of the attempts.
const LOCK_RETRY: Duration = Duration::from_millis(20);

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> TokenFileError + use<> {
    let path = path.to_owned();
    move |source| TokenFileError::Io { doing, path: path.clone(), source }
}

/// Keeps other writers of a file away until it is dropped.
pub(crate) struct WriteLock {
    _file: File,
}

impl WriteLock {
    /// Waits for other writers.
    ///
    /// # Errors
    /// A writer that does not finish, or a folder that cannot be written to.
    pub(crate) fn take(path: &Path) -> Result<Self, TokenFileError> {
        let lock = beside(path, ".lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(PRIVATE);
        // A link in its place is not followed.
        let file =
            options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(&lock).map_err(failed("lock", &lock))?;
        for _attempt in 0..LOCK_ATTEMPTS {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => pause(),
                Err(TryLockError::Error(error)) => return Err(failed("lock", &lock)(error)),
            }
        }
        let busy = io::Error::new(io::ErrorKind::TimedOut, "another command is writing the file");
        Err(failed("lock", &lock)(busy))
    }
}

/// Waits for the next attempt.
#[expect(clippy::disallowed_methods, reason = "only commands without a runtime write the file")]
fn pause() {
    std::thread::sleep(LOCK_RETRY);
}

/// Replaces a file at once: whoever reads it gets the old text or the new one, also after a power failure.
///
/// # Errors
/// A folder that cannot be written to, or a full disk. The old file is still there then.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), TokenFileError> {
    // A link stays a link, so that the file behind it is replaced.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_new| path.to_owned());
    let temporary = beside(&target, &format!(".{}.tmp", std::process::id()));
    let written = write_new(&temporary, text, &target);
    if written.is_err() {
        let _gone = std::fs::remove_file(&temporary);
    }
    written.map_err(failed("write", path))?;
    sync_folder(&target).map_err(failed("write", path))
}

fn write_new(temporary: &Path, text: &str, target: &Path) -> io::Result<()> {
    // One of a process that was killed, whose number this one has now.
    match std::fs::remove_file(temporary) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(PRIVATE).open(temporary)?;
    // The mask of the process cannot have widened it, but it can be narrower.
    file.set_permissions(std::fs::Permissions::from_mode(PRIVATE))?;
    if let Ok(old) = std::fs::metadata(target) {
        // The supervisor may run as another user than the one who writes.
        std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(temporary, target)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

/// Returns the path with something behind its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
