//! Compiled scripts on disk, up to a size; what was not used for longest goes first.
//!
//! A file is a program with a hash behind it. One that is damaged (by a power cut, by a full disk, by hand) is removed and
//! compiled anew. A host also remembers the hashes of the programs that it has seen, so that a job that exchanges one of
//! them, hash included, is noticed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use super::elf;
use crate::actor::engines::work::trusted;

/// A SHA-256.
type Hash = [u8; HASH];
const HASH: usize = 32;
/// Programs whose hashes are remembered; with more of them, remembering begins anew.
const REMEMBERED: usize = 10_000;
/// Folder of the compiler's C objects of its library.
const OBJECTS: &str = "objects";

/// A folder of programs, shared by all hosts of a user.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    size: u64,
    seen: RefCell<HashMap<String, Hash>>,
}

impl Cache {
    /// Makes the folder, and makes sure that nobody else puts programs there.
    pub(super) fn open(folder: PathBuf, size: u64) -> Result<Self, String> {
        let cache = Self { folder, size, seen: RefCell::default() };
        cache.make()?;
        Ok(cache)
    }

    fn make(&self) -> Result<(), String> {
        let shown = self.folder.display();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|error| format!("cannot make the folder {shown} for compiled scripts: {error}"))?;
        let data =
            fs::symlink_metadata(&self.folder).map_err(|error| format!("cannot look at {shown}: {error}"))?;
        if !data.is_dir() || data.uid() != geteuid().as_raw() || data.mode() & 0o022 != 0 {
            return Err(format!(
                "{shown} must be a folder of this user where nobody else may write; name another with --cache-dir"
            ));
        }
        trusted(&self.folder).map(drop).map_err(|reason| format!("{reason} (--cache-dir)"))
    }

    /// Returns the folder in which the compiler keeps the C parts of its library, so that they are not compiled for
    /// each script.
    pub(super) fn objects(&self) -> PathBuf {
        self.folder.join(OBJECTS)
    }

    /// The program that was kept under this key, if it is there and whole.
    pub(super) fn fetch(&self, key: &str) -> Option<Vec<u8>> {
        let read = self.read(key);
        match read {
            Ok(Ok(program)) => Some(program),
            Ok(Err(damage)) => {
                tracing::warn!(key, "v cache: a compiled script {damage} (compiled again)");
                self.forget(key);
                None
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(key, %error, "v cache: cannot read a compiled script (compiled again)");
                None
            }
        }
    }

    /// Keeps a program, and removes others if there are too many.
    pub(super) fn keep(&self, key: &str, program: &[u8]) -> io::Result<()> {
        match self.write(key, program) {
            // Somebody has tidied up.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.make().map_err(io::Error::other)?;
                self.write(key, program)?;
            }
            written => written?,
        }
        self.shrink()
    }

    /// Removes a program that did not work.
    pub(super) fn forget(&self, key: &str) {
        self.seen.borrow_mut().remove(key);
        match fs::remove_file(self.folder.join(key)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(key, %error, "v cache: cannot remove a compiled script");
            }
            Ok(()) | Err(_) => {}
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the age of a file is compared with that of other files only"
    )]
    fn read(&self, key: &str) -> io::Result<Result<Vec<u8>, &'static str>> {
        let mut file =
            File::options().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(self.folder.join(key))?;
        let data = file.metadata()?;
        if !data.is_file() || data.uid() != geteuid().as_raw() {
            return Ok(Err("was put there by somebody else"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let Some((program, hash)) = bytes.split_last_chunk::<HASH>() else { return Ok(Err("is damaged")) };
        if hash_of(key, program) != *hash || elf::whole(program).is_err() {
            return Ok(Err("is damaged"));
        }
        if self.seen.borrow().get(key).is_some_and(|seen| seen != hash) {
            return Ok(Err("was exchanged"));
        }
        self.remember(key, *hash);
        bytes.truncate(bytes.len() - HASH);
        // One that is removed meanwhile was used all the same.
        drop(file.set_modified(SystemTime::now()));
        Ok(Ok(bytes))
    }

    fn write(&self, key: &str, program: &[u8]) -> io::Result<()> {
        let half = self.folder.join(format!("{key}.{}", std::process::id()));
        let hash = hash_of(key, program);
        let written = write_whole(&half, &[program, &hash]).and_then(|()| {
            // Whoever looks for it finds all of it, after a power cut as well.
            fs::rename(&half, self.folder.join(key))?;
            File::open(&self.folder)?.sync_all()
        });
        if written.is_err() {
            drop(fs::remove_file(&half));
        } else {
            self.remember(key, hash);
        }
        written
    }

    fn remember(&self, key: &str, hash: Hash) {
        let mut seen = self.seen.borrow_mut();
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(key.to_owned(), hash);
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

/// A new file that is on the disk when this has ended.
fn write_whole(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o400).open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

/// Hashes a program with its key, so that no program is taken for another one.
fn hash_of(key: &str, program: &[u8]) -> Hash {
    Sha256::new().chain_update(key).chain_update([0u8]).chain_update(program).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::Duration;

    use super::*;

    fn program() -> Vec<u8> {
        fs::read("/bin/sh").unwrap()
    }

    fn overwrite(path: &Path, bytes: &[u8]) {
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let (folder, program) = (tempfile::tempdir().unwrap(), program());
        let size = (program.len() + HASH) as u64;
        let cache = Cache::open(folder.path().join("cache"), size * 5 / 2).unwrap();
        for (age, key) in [(60, "a"), (50, "b")] {
            cache.keep(key, &program).unwrap();
            let file = File::open(cache.folder.join(key)).unwrap();
            let now = file.metadata().unwrap().modified().unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
        }
        assert_eq!(cache.fetch("a").unwrap(), program);
        cache.keep("c", &program).unwrap();
        let there = ["a", "b", "c"].map(|key| cache.folder.join(key).exists());
        assert_eq!(there, [true, false, true]);
        assert!(cache.fetch("b").is_none());
    }

    #[test]
    fn a_damaged_program_is_never_given_out_and_goes() {
        let (folder, program) = (tempfile::tempdir().unwrap(), program());
        let mut whole = program.clone();
        whole.extend(hash_of("other", &program));
        let mut changed = [&program[..], &hash_of("key", &program)].concat();
        changed[200] ^= 1;
        let script = b"#!/bin/sh\necho poison\n";
        let no_program = [&script[..], &hash_of("key", script)].concat();
        for damage in [&b""[..], b"garbage", &program[..], &program[..999], &whole, &changed, &no_program] {
            let cache = Cache::open(folder.path().join("cache"), 1 << 30).unwrap();
            cache.keep("key", &program).unwrap();
            overwrite(&cache.folder.join("key"), damage);
            // Also by a host that sees it for the first time.
            let other = Cache::open(folder.path().join("cache"), 1 << 30).unwrap();
            assert!(other.fetch("key").is_none(), "{} bytes", damage.len());
            assert!(!cache.folder.join("key").exists());
        }
    }

    #[test]
    fn a_program_that_was_exchanged_with_its_hash_is_noticed_by_who_knows_it() {
        let (folder, program) = (tempfile::tempdir().unwrap(), program());
        let cache = Cache::open(folder.path().to_owned(), 1 << 30).unwrap();
        cache.keep("key", &program).unwrap();
        let poison = [&program[..], b"poison"].concat();
        overwrite(&folder.path().join("key"), &[&poison[..], &hash_of("key", &poison)].concat());
        assert!(cache.fetch("key").is_none());
        fs::write(folder.path().join("elsewhere"), "x").unwrap();
        symlink(folder.path().join("elsewhere"), folder.path().join("key")).unwrap();
        assert!(cache.fetch("key").is_none());
    }

    #[test]
    fn a_folder_that_is_gone_is_made_again() {
        let (folder, program) = (tempfile::tempdir().unwrap(), program());
        let cache = Cache::open(folder.path().join("cache"), 1 << 30).unwrap();
        fs::remove_dir_all(&cache.folder).unwrap();
        assert!(cache.fetch("key").is_none());
        cache.keep("key", &program).unwrap();
        assert!(cache.fetch("key").is_some());
    }

    #[test]
    fn a_folder_where_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        for refused in [folder.path().to_owned(), inner] {
            let refused = Cache::open(refused, 1).unwrap_err();
            assert!(refused.contains("--cache-dir"), "{refused}");
        }
    }
}
