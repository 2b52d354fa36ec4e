//! The file that says that the service answers, and where.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::ListenAddr;

/// Exists while the service answers: `{"pid": …, "addresses": ["127.0.0.1:50051", "unix:…"]}`.
#[derive(Debug)]
pub(super) struct ReadyFile {
    path: PathBuf,
}

impl ReadyFile {
    /// Writes the file in one step, so that nobody reads half of it.
    pub(super) fn write(path: &Path, addresses: &[ListenAddr]) -> io::Result<Self> {
        let addresses: Vec<String> = addresses.iter().map(ListenAddr::to_string).collect();
        let content = serde_json::json!({"pid": std::process::id(), "addresses": addresses});
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}", std::process::id()));
        std::fs::write(&partial, format!("{content}\n"))?;
        std::fs::rename(&partial, path)?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "the ready file stays");
        }
    }
}
