//! Keeps others out of Zinit's folder while Zinit writes a file with secrets, which it removes and makes anew, readable by all.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Rights of group and others.
const OF_OTHERS: u32 = 0o077;

/// A folder that is for its owner alone, until this is dropped.
#[derive(Debug)]
pub(super) struct PrivateFolder {
    dir: PathBuf,
    /// The mode that it gets back; None if it was private before.
    mode: Option<u32>,
}

impl PrivateFolder {
    /// Closes a folder. If this process dies meanwhile, it stays closed.
    ///
    /// # Errors
    /// A folder that belongs to somebody else.
    pub(super) fn close(dir: &Path) -> io::Result<Self> {
        let mode = fs::metadata(dir)?.permissions().mode() & 0o7777;
        if mode & OF_OTHERS == 0 {
            return Ok(Self { dir: dir.to_owned(), mode: None });
        }
        fs::set_permissions(dir, Permissions::from_mode(mode & !OF_OTHERS))?;
        Ok(Self { dir: dir.to_owned(), mode: Some(mode) })
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let Some(mode) = self.mode else { return };
        if let Err(error) = fs::set_permissions(&self.dir, Permissions::from_mode(mode)) {
            let dir = self.dir.display();
            tracing::warn!(%dir, %error, "zinit: its folder stays closed to others (it had mode {mode:04o})");
        }
    }
}
