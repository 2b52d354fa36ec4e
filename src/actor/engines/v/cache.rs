//! Compiled scripts on disk, up to a size; what was not used for longest goes first.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::unistd::geteuid;

/// A folder of programs, shared by all hosts of a user.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    size: u64,
}

impl Cache {
    /// Makes the folder, and makes sure that nobody else puts programs there.
    pub(super) fn open(folder: PathBuf, size: u64) -> Result<Self, String> {
        let shown = folder.display();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|error| format!("cannot make the folder {shown} for compiled scripts: {error}"))?;
        let data =
            fs::symlink_metadata(&folder).map_err(|error| format!("cannot look at {shown}: {error}"))?;
        if !data.is_dir() || data.uid() != geteuid().as_raw() || data.mode() & 0o022 != 0 {
            return Err(format!(
                "{shown} must be a folder of this user where nobody else may write; name another with --cache-dir"
            ));
        }
        Ok(Self { folder, size })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the age of a file is compared with that of other files only"
    )]
    /// Copies a program to where it is needed; false if there is none.
    pub(super) fn fetch(&self, key: &str, to: &Path) -> io::Result<bool> {
        let kept = self.folder.join(key);
        match fs::copy(&kept, to) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        let used = File::open(&kept).and_then(|file| file.set_modified(SystemTime::now()));
        if let Err(error) = used {
            tracing::debug!(%error, "a compiled script was removed while it was used");
        }
        Ok(true)
    }

    /// Keeps a program, and removes others if there are too many.
    pub(super) fn keep(&self, key: &str, program: &Path) -> io::Result<()> {
        let half = self.folder.join(format!("{key}.{}", std::process::id()));
        fs::copy(program, &half)?;
        fs::set_permissions(&half, fs::Permissions::from_mode(0o500))?;
        // Whoever looks for it finds all of it.
        fs::rename(&half, self.folder.join(key))?;
        self.shrink()
    }

    fn shrink(&self) -> io::Result<()> {
        let mut programs = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // One that is gone was removed by another host.
            let Ok(data) = entry.metadata() else { continue };
            if data.is_file() {
                programs.push((data.modified()?, data.len(), entry.path()));
            }
        }
        programs.sort();
        let mut total: u64 = programs.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in programs {
            if total <= self.size {
                break;
            }
            total = total.saturating_sub(size);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("cache"), 25).unwrap();
        let (program, copy) = (folder.path().join("program"), folder.path().join("copy"));
        fs::write(&program, "0123456789").unwrap();
        for (age, key) in [(60, "a"), (50, "b")] {
            cache.keep(key, &program).unwrap();
            let file = File::open(cache.folder.join(key)).unwrap();
            let now = file.metadata().unwrap().modified().unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
        }
        assert!(cache.fetch("a", &copy).unwrap());
        cache.keep("c", &program).unwrap();
        let there = ["a", "b", "c"].map(|key| cache.folder.join(key).exists());
        assert_eq!(there, [true, false, true]);
        assert!(!cache.fetch("b", &copy).unwrap());
    }

    #[test]
    fn a_folder_where_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let refused = Cache::open(folder.path().to_owned(), 1).unwrap_err();
        assert!(refused.contains("--cache-dir"), "{refused}");
    }
}
