//! A directory that is used through its descriptor: whatever somebody does to the names that lead to it, what is done in it
//! is done in it and nowhere else. Links are never followed.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, Permissions, ReadDir};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

/// Mode of a folder for its owner only.
const PRIVATE: u32 = 0o700;
/// The rights and marks that a directory can have.
const RIGHTS: u32 = 0o7777;

/// An open directory.
#[derive(Debug)]
pub(super) struct Directory(File);

impl Directory {
    /// The directory at this path, whose last part may be no link.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;

        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        Ok(Self(File::options().read(true).custom_flags(flags.bits()).open(path)?))
    }

    /// Makes a directory in this one, for its owner only.
    pub(super) fn make(&self, name: &OsStr) -> io::Result<()> {
        Ok(mkdirat(&self.0, name, Mode::S_IRWXU)?)
    }

    /// Opens a directory of this user in this one, and makes it private; one of somebody else is refused.
    pub(super) fn own(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let path_only = Self(File::from(openat(&self.0, name, flags, Mode::empty())?));
        path_only.make_private()?;
        Ok(Self(File::open(path_only.path())?))
    }

    /// Takes the rights of all others away; fails when it is not this user's.
    pub(super) fn make_private(&self) -> io::Result<()> {
        let data = self.metadata()?;
        let (owner, user) = (data.uid(), geteuid());
        if owner != user.as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("it belongs to user {owner} and not to user {user}"),
            ));
        }
        if data.mode() & RIGHTS != PRIVATE {
            fs::set_permissions(self.path(), Permissions::from_mode(PRIVATE))?;
        }
        Ok(())
    }

    /// Holds it until the descriptor is closed, together with others that do the same; false if somebody is removing it.
    pub(super) fn hold(&self) -> io::Result<bool> {
        match self.0.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes it from all others; false while somebody holds it.
    pub(super) fn seize(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns true if a path leads to this directory, without a link as its last part.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let (Ok(own), Ok(there)) = (self.metadata(), fs::symlink_metadata(path)) else { return false };
        (own.dev(), own.ino()) == (there.dev(), there.ino())
    }

    /// Returns the bytes that the list of its entries takes, or once took.
    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    /// Lists the entries of the directory.
    pub(super) fn entries(&self) -> io::Result<ReadDir> {
        fs::read_dir(self.path())
    }

    /// Removes all that is in it, however deep and whatever its rights. What cannot be removed costs nothing else.
    pub(super) fn clear(&self) -> io::Result<()> {
        self.clear_but(None)
    }

    /// Removes the same, but for one entry.
    pub(super) fn clear_but(&self, kept: Option<&OsStr>) -> io::Result<()> {
        // A folder in a folder is moved up before the outer one is removed, so that there is no depth that is too much
        // for the stack, for the descriptors or for the length of a path.
        let mut moved = 0;
        loop {
            let round = self.clear_once(kept, &mut moved)?;
            if round.removed == 0 {
                return round.failed.map_or(Ok(()), Err);
            }
        }
    }

    /// Removes an empty directory in this one.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, UnlinkatFlags::RemoveDir)?)
    }

    fn clear_once(&self, kept: Option<&OsStr>, moved: &mut u64) -> io::Result<Round> {
        let mut round = Round::default();
        for entry in self.entries()? {
            let name = entry?.file_name();
            if kept == Some(name.as_os_str()) {
                continue;
            }
            match self.clear_entry(&name, moved, &mut round.removed) {
                Ok(()) => round.removed += 1,
                Err(error) => round.failed = Some(round.failed.unwrap_or(error)),
            }
        }
        Ok(round)
    }

    fn clear_entry(&self, name: &OsStr, moved: &mut u64, removed: &mut u64) -> io::Result<()> {
        if self.unlink(name)? {
            return Ok(());
        }
        let inner = self.own(name)?;
        for entry in inner.entries()? {
            let child = entry?.file_name();
            if !inner.unlink(&child)? {
                // A folder without rights cannot be moved.
                drop(inner.own(&child)?);
                self.take_from(&inner, &child, moved)?;
            }
            *removed += 1;
        }
        self.remove(name)
    }

    /// Removes what is no directory; false for a directory.
    fn unlink(&self, name: &OsStr) -> io::Result<bool> {
        match unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(true),
            Err(Errno::EISDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves a directory from `inner` into this one, under a name that is free.
    fn take_from(&self, inner: &Self, child: &OsStr, moved: &mut u64) -> io::Result<()> {
        loop {
            *moved += 1;
            let name = format!(".moved-{moved}");
            match renameat(&inner.0, child, &self.0, name.as_str()) {
                Ok(()) => return Ok(()),
                Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    /// A path that leads through the descriptor.
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

/// Outcome of one pass through a directory.
#[derive(Default)]
struct Round {
    removed: u64,
    failed: Option<io::Error>,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn clearing_removes_folders_without_rights_and_follows_no_link() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("precious"), "x").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("a/b/c")).unwrap();
        fs::write(path("a/b/file"), "x").unwrap();
        symlink(outside.path(), path("link")).unwrap();
        symlink(outside.path(), path("a/link")).unwrap();
        fs::write(path(".moved-1"), "in the way").unwrap();
        fs::create_dir_all(path(".moved-2/x")).unwrap();
        set_mode(&path("a/b/c"), 0o000);
        set_mode(&path("a/b"), 0o000);
        set_mode(&path("a"), 0o500);
        Directory::at(dir.path()).unwrap().clear().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(outside.path().join("precious").exists());
    }

    #[test]
    fn clearing_knows_no_depth_that_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let mut inner = Directory::at(dir.path()).unwrap();
        let name = "n".repeat(100);
        // Longer than a path can be, and deeper than there are descriptors.
        for _ in 0..1500 {
            inner.make(name.as_ref()).unwrap();
            inner = inner.own(name.as_ref()).unwrap();
        }
        Directory::at(dir.path()).unwrap().clear().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_is_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        let base = Directory::at(dir.path()).unwrap();
        assert!(base.own("real".as_ref()).is_ok());
        assert!(base.own("link".as_ref()).is_err());
        assert!(Directory::at(&dir.path().join("link")).is_err());
        assert!(!base.own("real".as_ref()).unwrap().is_at(&dir.path().join("link")));
    }
}
