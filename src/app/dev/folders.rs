//! Folders of `dev`: the data folder, and a short path for its sockets.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::DevError;
use crate::config::{LONGEST_SOCKET_PATH, state_dir};
use crate::stable_hash::stable_hash;

/// The folders of one `dev`.
#[derive(Debug, Clone)]
pub(in crate::app) struct Folders {
    /// Data of Redis and logs. Kept after the end.
    pub(in crate::app) data: PathBuf,
    /// Sockets. The path is derived from the data folder, because actors remember the address of Redis.
    pub(in crate::app) run: PathBuf,
}

/// A lock that excludes a second `dev`.
pub(in crate::app) struct FolderLock {
    _lock: Flock<File>,
}

impl Folders {
    /// Returns the folders for a data folder, or for the default one.
    pub(in crate::app) fn of(data_dir: Option<&Path>) -> Self {
        let data = data_dir.map_or_else(|| state_dir().join("dev"), Path::to_owned);
        let data = std::path::absolute(&data).unwrap_or(data);
        let beside = data.join("run");
        let run = if socket(&beside).as_os_str().len() <= LONGEST_SOCKET_PATH {
            beside
        } else {
            let hash = stable_hash(data.as_os_str().as_bytes());
            PathBuf::from(format!("/tmp/hero-supervisor-{}-{hash:x}", nix::unistd::geteuid()))
        };
        Self { data, run }
    }

    /// Returns the path of the private Redis' socket.
    pub(in crate::app) fn redis_socket(&self) -> PathBuf {
        socket(&self.run)
    }

    /// Returns the URL of the private Redis.
    pub(in crate::app) fn redis_url(&self) -> String {
        format!("unix://{}", self.redis_socket().display())
    }

    /// Returns the data folder of Redis.
    pub(in crate::app) fn redis_data(&self) -> PathBuf {
        self.data.join("redis")
    }

    /// Returns the log file of Redis.
    pub(in crate::app) fn redis_log(&self) -> PathBuf {
        self.data.join("redis.log")
    }

    /// Creates the folders for their owner alone and locks them: two Redis servers on one data file would destroy it.
    pub(in crate::app) fn make(&self) -> Result<FolderLock, DevError> {
        for path in [self.data.clone(), self.run.clone(), self.redis_data()] {
            let failed = |what: String| DevError::Folder { path: path.clone(), what };
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(|error| failed(error.to_string()))?;
            let found = fs::symlink_metadata(&path).map_err(|error| failed(error.to_string()))?;
            if found.uid() != nix::unistd::geteuid().as_raw() {
                return Err(failed("it belongs to somebody else; name another with --data-dir".to_owned()));
            }
            // Whoever can write there could replace the socket or the data.
            if found.is_dir() && found.mode() & 0o022 != 0 {
                let mode = found.mode() & 0o7777;
                let what = format!(
                    "others can write there (its mode is {mode:04o}); take that from them (chmod go-w), or name another \
                     folder with --data-dir"
                );
                return Err(failed(what));
            }
        }
        let path = self.data.join("lock");
        let failed = |what: String| DevError::Folder { path: self.data.clone(), what };
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| failed(error.to_string()))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
            failed("another `dev` uses it; stop that one, or name another with --data-dir".to_owned())
        })?;
        Ok(FolderLock { _lock: lock })
    }
}

fn socket(run: &Path) -> PathBuf {
    run.join("redis.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_data_folder_gets_a_short_run_folder_that_stays_the_same() {
        let long = PathBuf::from(format!("/tmp/{}", "x".repeat(120)));
        let folders = Folders::of(Some(&long));
        assert!(folders.redis_socket().as_os_str().len() <= LONGEST_SOCKET_PATH);
        assert_eq!(folders.run, Folders::of(Some(&long)).run);
        assert_ne!(folders.run, Folders::of(Some(&long.join("y"))).run);
        assert_eq!(Folders::of(Some(Path::new("/tmp/short"))).run, Path::new("/tmp/short/run"));
    }

    #[test]
    fn a_folder_in_which_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::of(Some(dir.path()));
        drop(folders.make().unwrap());
        for open in [&folders.data, &folders.run] {
            for (mode, refused) in
                [(0o777, true), (0o720, true), (0o1777, true), (0o755, false), (0o700, false)]
            {
                fs::set_permissions(open, fs::Permissions::from_mode(mode)).unwrap();
                let told = folders.make().err().map(|error| error.to_string());
                assert_eq!(told.is_some(), refused, "{} {mode:o}: {told:?}", open.display());
                assert!(told.is_none_or(|told| told.contains("others can write")));
            }
        }
    }

    #[test]
    fn a_second_dev_on_the_same_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::of(Some(dir.path()));
        let held = folders.make().unwrap();
        let told = folders.make().err().unwrap().to_string();
        assert!(told.contains("another `dev` uses it"), "{told}");
        drop(held);
        assert!(folders.make().is_ok());
    }
}
