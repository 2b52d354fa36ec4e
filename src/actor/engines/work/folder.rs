//! The folder of an engine host, and in it the one of the job that runs.
//!
//! A job gets the folder of the job before it, emptied: to remove a folder takes some file systems milliseconds. One that
//! was moved, exchanged or given away is replaced by a new one.
//!
//! The base may be a folder that everybody writes to, `/tmp` for instance. The folder of a host has a new name each time,
//! is made for its user alone, and is used through its descriptor; no name that somebody else has prepared is ever used. The
//! host holds a lock on it, which ends with the host however that ends: a folder that nobody holds is one of a dead host,
//! and goes with all that jobs have left in it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use nix::unistd::{getegid, geteuid};

use super::directory::Directory;

use crate::lock::Lock;

/// Prefix of the folders of hosts: the number of the process and a random part follow.
const PREFIX: &str = "hero-job-";
/// A directory where nobody removes what belongs to somebody else.
const STICKY: u32 = 0o1000;

/// Bytes of the list of a folder, which some file systems never shorten; a longer one takes long to read.
const LARGE: u64 = 64 * 1024;

/// The folders of this process, for its end.
static HELD: Lock<Vec<Weak<HostFolder>>> = Lock::new(Vec::new());

/// The folder of this host.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    base: PathBuf,
    held: Arc<HostFolder>,
    /// Folder of the last job.
    job: Option<JobFolder>,
    /// Number of folders that were made for jobs.
    made: u64,
    /// Nothing was put here since the last cleaning, which has removed everything.
    is_clean: bool,
}

/// The folder of a job.
#[derive(Debug)]
struct JobFolder {
    name: OsString,
    directory: Directory,
}

impl JobFolder {
    /// True for a folder that is where it was made.
    fn is_in(&self, host: &Path) -> bool {
        self.directory.is_at(&host.join(&self.name))
    }

    /// Empties the folder for the next job. False if it is not where it was, or cannot be emptied, or is slow now.
    fn empty(&self, host: &Path) -> bool {
        let directory = &self.directory;
        let is_emptied = || directory.make_private().and_then(|()| directory.clear()).is_ok();
        self.is_in(host) && is_emptied() && directory.size().is_ok_and(|size| size <= LARGE)
    }
}

impl WorkFolder {
    /// Makes a folder in `base`, which is made as well if it is not there.
    ///
    /// # Errors
    /// Says what is wrong with `base`: it cannot be made or written to, or other users may change what is in it.
    pub(crate) fn open(base: &Path) -> Result<Self, String> {
        let base = trusted(base)?;
        let held = HostFolder::make(&base).map_err(|error| cannot(&base, &error))?;
        Ok(Self { base, held, job: None, made: 0, is_clean: false })
    }

    /// Returns the path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.held.path
    }

    /// An empty folder for the next job, the only thing in the folder of the host. What earlier jobs have put beside
    /// their own is removed; what cannot be costs no other job anything.
    ///
    /// # Errors
    /// Says why there is none.
    pub(crate) fn next(&mut self) -> Result<PathBuf, String> {
        if !self.is_clean || !self.job.as_ref().is_some_and(|job| job.is_in(&self.held.path)) {
            self.clear();
        }
        self.is_clean = false;
        if !self.held.directory.is_at(&self.held.path) {
            tracing::warn!(folder = %self.held.path.display(), "work folder: the folder of an engine host is gone (made again)");
            *self = Self { made: self.made, ..Self::open(&self.base)? };
        }
        if self.job.is_none() {
            self.job = Some(self.make().map_err(|error| cannot(&self.held.path, &error))?);
        }
        let name = self.job.as_ref().map(|job| job.name.as_os_str()).unwrap_or_default();
        Ok(self.held.path.join(name))
    }

    /// Removes what jobs have left.
    pub(crate) fn clear(&mut self) {
        let HostFolder { directory, path } = &*self.held;
        self.job = self.job.take().filter(|job| job.empty(path));
        let kept = self.job.as_ref().map(|job| job.name.as_os_str());
        let cleared = directory.make_private().and_then(|()| directory.clear_but(kept));
        self.is_clean = cleared.is_ok();
        if let Err(error) = cleared {
            tracing::warn!(%error, folder = %path.display(), "work folder: cannot remove what a job has left behind");
        }
    }

    fn make(&mut self) -> io::Result<JobFolder> {
        let outer = &self.held.directory;
        loop {
            self.made += 1;
            let name = OsString::from(self.made.to_string());
            match outer.make(&name) {
                Ok(()) => {
                    let directory = outer.own(&name)?;
                    return Ok(JobFolder { name, directory });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A folder with a lock on it.
#[derive(Debug)]
struct HostFolder {
    path: PathBuf,
    directory: Directory,
}

impl HostFolder {
    fn make(base: &Path) -> io::Result<Arc<Self>> {
        let outer = Directory::at(base)?;
        loop {
            let name = format!("{PREFIX}{}-{:08x}", std::process::id(), fastrand::u32(..));
            match outer.make(name.as_ref()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            let path = base.join(&name);
            // Whoever looks for folders of dead hosts may have found this one before it was held.
            let directory = match outer.own(name.as_ref()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            let held = directory.hold().unwrap_or_else(|error| {
                tracing::warn!(%error, folder = %path.display(), "work folder: folders cannot be locked here (those of dead hosts stay)");
                true
            });
            if held && directory.is_at(&path) {
                let held = Arc::new(Self { path, directory });
                HELD.lock().push(Arc::downgrade(&held));
                return Ok(held);
            }
        }
    }
}

/// Removes the folders of this process, which ends.
pub(crate) fn remove_own() {
    let held = std::mem::take(&mut *HELD.lock());
    for held in held.into_iter().filter_map(|held| held.upgrade()) {
        let removed = held.directory.make_private().and_then(|()| held.directory.clear()).and_then(|()| {
            let name = held.path.file_name().unwrap_or_default();
            Directory::at(held.path.parent().unwrap_or(&held.path))?.remove(name)
        });
        if let Err(error) = removed {
            tracing::debug!(%error, folder = %held.path.display(), "work folder: cannot remove the folder of an engine host now");
        }
    }
}

/// Removes the folders of this user in `base` whose hosts are gone, and all that is in them.
pub(crate) fn sweep(base: &Path) {
    if !base.exists() {
        return;
    }
    let found = trusted(base).and_then(|base| {
        let outer = Directory::at(&base).map_err(|error| cannot(&base, &error))?;
        let entries = outer.entries().map_err(|error| cannot(&base, &error))?;
        Ok((outer, base, entries))
    });
    let (outer, base, entries) = match found {
        Ok(found) => found,
        Err(reason) => {
            return tracing::warn!("work folder: folders of dead engine hosts are not removed ({reason})");
        }
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !is_of_host(&name) || entry.metadata().is_ok_and(|data| data.uid() != geteuid().as_raw()) {
            continue;
        }
        match remove_dead(&outer, &base, &name) {
            Ok(true) => {
                tracing::debug!(folder = %base.join(&name).display(), "work folder: removed the folder of a dead engine host")
            }
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, folder = %base.join(&name).display(), "work folder: cannot remove the folder of a dead engine host");
            }
        }
    }
}

/// True when it was a folder of a dead host and is gone.
fn remove_dead(outer: &Directory, base: &Path, name: &OsStr) -> io::Result<bool> {
    let directory = outer.own(name)?;
    if !directory.seize()? || !directory.is_at(&base.join(name)) {
        return Ok(false);
    }
    directory.clear()?;
    outer.remove(name)?;
    Ok(true)
}

/// `hero-job-4711-0123abcd`.
fn is_of_host(name: &OsStr) -> bool {
    let parts =
        name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(pid, random)| {
        !pid.is_empty()
            && pid.bytes().all(|byte| byte.is_ascii_digit())
            && random.len() == 8
            && random.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The real path of a folder that no other user can exchange, with all that leads to it. It is made if it is not there.
pub(crate) fn trusted(folder: &Path) -> Result<PathBuf, String> {
    let shown = folder.display();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| format!("cannot make the folder {shown}: {error}"))?;
    let real = fs::canonicalize(folder).map_err(|error| format!("cannot look at {shown}: {error}"))?;
    for part in real.ancestors() {
        let data = fs::symlink_metadata(part)
            .map_err(|error| format!("cannot look at {}: {error}", part.display()))?;
        if let Some(why) = exchangeable(data.uid(), data.gid(), data.mode()) {
            let part = part.display();
            return Err(format!(
                "other users could exchange what is in {shown}, because {part} {why}; name another folder, or mend its \
                 rights"
            ));
        }
    }
    Ok(real)
}

/// Returns the reason for which others can rename or remove entries of a directory with this owner, group and mode;
/// None if they cannot.
fn exchangeable(owner: u32, group: u32, mode: u32) -> Option<String> {
    let trusts = |owner: u32| owner == 0 || owner == geteuid().as_raw() || is_unmapped(owner);
    if !trusts(owner) {
        return Some(format!("belongs to user {owner}"));
    }
    if mode & STICKY != 0 {
        return None;
    }
    let group_writes = mode & 0o020 != 0 && group != 0 && group != getegid().as_raw();
    let who = if mode & 0o002 != 0 { "everybody" } else { "its group" };
    (group_writes || mode & 0o002 != 0)
        .then(|| format!("can be written by {who} (mode {:04o})", mode & 0o7777))
}

/// True for the owner of what belongs to somebody outside of this user namespace: in there, that is nobody who could do
/// anything.
fn is_unmapped(owner: u32) -> bool {
    const OVERFLOW: u32 = 65_534;
    owner == OVERFLOW
        && fs::read_to_string("/proc/self/uid_map")
            .is_ok_and(|map| map.split_ascii_whitespace().ne(["0", "0", "4294967295"]))
}

fn cannot(folder: &Path, error: &io::Error) -> String {
    format!("cannot make a folder in {}: {error}", folder.display())
}

#[cfg(test)]
mod tests;
