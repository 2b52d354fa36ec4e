//! The ready file: it exists while the service answers, and has its pid and addresses.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::ListenAddr;

/// A file `{"pid": …, "addresses": ["127.0.0.1:50051", "unix:…"], "dashboard": "http://…"}` that is removed when this is
/// dropped.
#[derive(Debug)]
pub(super) struct ReadyFile {
    path: PathBuf,
}

impl ReadyFile {
    /// Writes the file atomically, so that no reader sees half of it. Symbolic links are not followed, because others
    /// can make files in a shared folder.
    pub(super) fn write(path: &Path, addresses: &[ListenAddr], dashboard: Option<&str>) -> io::Result<Self> {
        let addresses: Vec<String> = addresses.iter().map(ListenAddr::to_string).collect();
        let mut content = serde_json::json!({"pid": std::process::id(), "addresses": addresses});
        if let Some(url) = dashboard {
            content["dashboard"] = url.into();
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}", uuid::Uuid::new_v4().simple()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&partial)?;
        let written =
            file.write_all(format!("{content}\n").as_bytes()).and_then(|()| std::fs::rename(&partial, path));
        if let Err(error) = written {
            drop(std::fs::remove_file(&partial));
            return Err(error);
        }
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "ready file: not removed ({error})");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_somebody_else_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, ready) = (dir.path().join("victim"), dir.path().join("ready"));
        std::fs::write(&victim, "precious").unwrap();
        let guess = dir.path().join(format!("ready.{}", std::process::id()));
        for link in [&ready, &guess] {
            std::os::unix::fs::symlink(&victim, link).unwrap();
        }
        let file = ReadyFile::write(&ready, &[], None).unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert!(std::fs::symlink_metadata(&ready).unwrap().is_file());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "nothing else is left");
        drop(file);
        assert!(!ready.exists());
    }
}
