//! The file of a backup: it appears under its name when it is whole and on the disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file beside the one that is to be written, for its owner alone. Dropped, it is gone.
pub(super) struct Target {
    path: PathBuf,
    partial: PathBuf,
    is_done: bool,
}

impl Target {
    /// Makes the file.
    pub(super) fn create(path: &Path) -> io::Result<(Self, File)> {
        let name = path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.partial", std::process::id()));
        let partial = path.with_file_name(hidden);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        Ok((Self { path: path.to_owned(), partial, is_done: false }, file))
    }

    /// Gives the file its name once the disk has all of it.
    pub(super) fn finish(mut self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        std::fs::rename(&self.partial, &self.path)?;
        self.is_done = true;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.is_done {
            // What cannot be removed is hidden and says that it is partial.
            drop(std::fs::remove_file(&self.partial));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all_and_is_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b");
        let files = || std::fs::read_dir(dir.path()).unwrap().count();
        let (target, mut file) = Target::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(target);
        assert_eq!(files(), 0);
        let (target, mut file) = Target::create(&path).unwrap();
        file.write_all(b"whole").unwrap();
        target.finish(&file).unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), files()), (b"whole".to_vec(), 1));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
