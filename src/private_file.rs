//! Files with secrets: keys, passwords, tokens. They are read only if no other user can read them.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Largest file, in bytes: some 50 000 tokens.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Rights of group and others.
const OF_OTHERS: u32 = 0o077;
/// The same for a file of root that a group of this user may read, as Kubernetes mounts secrets.
const OF_OTHERS_BUT_GROUP_READ: u32 = 0o037;

/// The error of a file that is not read.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// The system refuses.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Other users can read or change it.
    #[error("{0} can be read or changed by others (mode {mode:04o}): chmod 600 {0}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Mode of the file.
        mode: u32,
    },
    /// The path is a folder, a pipe or a device.
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// The file is larger than any of its kind.
    #[error("{} has more than {MAX_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
}

/// Reads a file that only this user can read; a file of root may be readable by the group as well.
///
/// # Errors
/// A file that cannot be read, or that others can read.
pub fn read_private(path: &Path) -> Result<Vec<u8>, PrivateFileError> {
    read(path, true)
}

/// Reads a file that anybody may read, a certificate for instance, with the same limit of its size.
///
/// # Errors
/// A file that cannot be read.
pub fn read_public(path: &Path) -> Result<Vec<u8>, PrivateFileError> {
    read(path, false)
}

fn read(path: &Path, private: bool) -> Result<Vec<u8>, PrivateFileError> {
    let unreadable = |source| PrivateFileError::Unreadable { path: path.to_owned(), source };
    // A pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(PrivateFileError::NotAFile(path.to_owned()));
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if private && is_exposed(&metadata, nix::unistd::geteuid().as_raw()) {
        let mode = metadata.permissions().mode() & 0o7777;
        return Err(PrivateFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(PrivateFileError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// Returns true if users other than this one and root can read or change the file. The rule is that of PostgreSQL.
fn is_exposed(metadata: &Metadata, user: u32) -> bool {
    let of_others = match metadata.uid() {
        owner if owner == user => OF_OTHERS,
        0 => OF_OTHERS_BUT_GROUP_READ,
        _other_user => OF_OTHERS,
    };
    metadata.mode() & of_others != 0
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "secret").unwrap();
        for (mode, fine) in [
            (0o600, true),
            (0o400, true),
            (0o700, true),
            (0o640, false),
            (0o604, false),
            (0o620, false),
            (0o644, false),
        ] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = read_private(&path);
            assert_eq!(read.is_ok(), fine, "{mode:o}");
            if let Err(error) = read {
                let told = error.to_string();
                assert!(told.contains(&format!("mode {mode:04o}")), "{told}");
                assert!(told.ends_with(&format!("chmod 600 {}", path.display())), "{told}");
                assert!(read_public(&path).is_ok());
            }
        }
    }

    #[test]
    fn a_group_may_read_a_file_of_root_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "secret").unwrap();
        let metadata = |mode| {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            std::fs::metadata(&path).unwrap()
        };
        let owner = metadata(0o440).uid();
        assert!(is_exposed(&metadata(0o440), owner), "its own");
        assert_eq!(is_exposed(&metadata(0o440), owner + 1), owner != 0, "that of root");
        assert!(is_exposed(&metadata(0o444), owner + 1));
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read_private(dir.path()), Err(PrivateFileError::NotAFile(_))));
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(matches!(read_private(&pipe), Err(PrivateFileError::NotAFile(_))));
        let missing = read_private(&dir.path().join("no")).unwrap_err().to_string();
        assert!(missing.contains("cannot be read"), "{missing}");
        let large = File::create(dir.path().join("large")).unwrap();
        large.set_len(MAX_BYTES + 1).unwrap();
        assert!(matches!(read_public(&dir.path().join("large")), Err(PrivateFileError::TooLarge(_))));
    }
}
