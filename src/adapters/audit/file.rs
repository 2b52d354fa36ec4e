//! The file of the log: opened by one supervisor at a time, appended to, and replaced when it is large.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, fallocate};

use super::chain::Head;
use super::files::{beside, folder, rotated, rotated_name};
use super::line::{Content, LineKind, Note};
use super::options::AuditOptions;
use super::recover::{End, end_of};

/// Mode of all files: only the user of the supervisor reads them.
const PRIVATE: u32 = 0o600;
/// Room that is taken before a log that was full is written again, in bytes.
const RESERVE: i64 = 64 * 1024;
/// Most names that are tried for the bytes that a crash has left.
const MOST_TORN: u32 = 100;

/// The error of a log that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The system refuses.
    #[error("audit.path: {} cannot be opened: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another supervisor writes the file.
    #[error("audit.path: {} is written by another supervisor: give each of them a path of its own", .0.display())]
    InUse(PathBuf),
    /// The path is a folder, a pipe or a device.
    #[error("audit.path: {} is not a file: name another path", .0.display())]
    NotAFile(PathBuf),
    /// The file is of another kind.
    #[error("audit.path: {} is not an audit log: name another path, or move that file away", .0.display())]
    Foreign(PathBuf),
}

/// The open file.
pub(super) struct AuditFile {
    path: PathBuf,
    node: String,
    rotate_bytes: u64,
    keep: usize,
    file: File,
    inode: (u64, u64),
    size: u64,
    /// Number of the first line.
    first: u64,
    head: Head,
    /// True if a failed write has left a part of a line that is not cut off yet.
    is_torn: bool,
    _lock: File,
}

impl AuditFile {
    /// Opens the file, and finds the end of its chain. Returns a note if a crash has torn the last line.
    pub(super) fn open(options: &AuditOptions) -> Result<(Self, Option<Note>), AuditError> {
        let path = &options.path;
        let failed = |source| AuditError::Io { path: path.clone(), source };
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(AuditError::NotAFile(path.clone()));
        }
        let lock = lock(path)?;
        let mut file = open(path, false).map_err(failed)?;
        let End { head, whole, torn } =
            end_of(&mut file).map_err(failed)?.ok_or_else(|| AuditError::Foreign(path.clone()))?;
        // Only once it is known to be a log: a file of another kind stays as it is, its mode as well.
        make_private(&file).map_err(failed)?;
        let before = match &head {
            Some(_) => None,
            None => head_before(path).map_err(failed)?,
        };
        let head = head.or(before).unwrap_or_default();
        let note = match torn.is_empty() {
            true => None,
            false => {
                let kept_in = keep_apart(path, head.seq + 1, &torn).map_err(failed)?;
                file.set_len(whole).map_err(failed)?;
                Some(Note::TornLine { bytes: torn.len() as u64, kept_in })
            }
        };
        file.seek(SeekFrom::Start(whole)).map_err(failed)?;
        let inode = identity(&file).map_err(failed)?;
        let first = first_number(path, whole, &head).map_err(failed)?;
        let (node, rotate_bytes, keep) = (options.node.clone(), options.rotate_bytes, options.keep);
        let path = path.clone();
        let is_torn = false;
        let size = whole;
        let opened =
            Self { path, node, rotate_bytes, keep, file, inode, size, first, head, is_torn, _lock: lock };
        Ok((opened, note))
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns another handle, for a sync beside writes.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Appends lines by one write, or two where a file ends between them. Afterwards the file has all of them, or none.
    pub(super) fn append(&mut self, lines: &[Content]) -> io::Result<()> {
        self.cut_off()?;
        if self.size >= self.rotate_bytes {
            self.rotate();
        }
        let (mut text, mut head) = (String::new(), self.head.clone());
        let at = lines.first().map(|line| line.at);
        let begin = at.filter(|_| self.size == 0).map(|at| Content { at, kind: LineKind::Note(Note::File) });
        for line in begin.iter().chain(lines) {
            let (line, next) = line.render(&self.node, &head).map_err(io::Error::other)?;
            text.push_str(&line);
            text.push('\n');
            head = next;
        }
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            self.is_torn = true;
            // If that fails as well, it is done before the next write.
            let _later = self.cut_off();
            return Err(error);
        }
        self.size += text.len() as u64;
        self.head = head;
        Ok(())
    }

    /// Takes room on the disk for the next lines, so that a log that was full is not found full again by the first of them.
    pub(super) fn reserve(&self) -> io::Result<()> {
        let begin = i64::try_from(self.size).map_err(io::Error::other)?;
        match fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, begin, RESERVE) {
            // Not all file systems can.
            Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Cuts off the bytes that a failed write has left.
    fn cut_off(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.size)?;
            self.file.seek(SeekFrom::Start(self.size))?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Begins another file. If that cannot be done, the old one goes on.
    fn rotate(&mut self) {
        if let Err(error) = self.try_rotate() {
            tracing::warn!(%error, "audit log: not rotated, {} grows on ({error})", self.path.display());
        }
    }

    fn try_rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let old = rotated_name(&self.path, self.first);
        std::fs::rename(&self.path, &old)?;
        match open(&self.path, true) {
            Ok(file) => self.begin(file)?,
            Err(error) => {
                std::fs::rename(&old, &self.path)?;
                return Err(error);
            }
        }
        tracing::info!(head = %self.head, "audit log: rotated (head {})", self.head);
        let before = rotated(&self.path)?;
        let surplus = before.len().saturating_sub(self.keep);
        for (_, file) in before.into_iter().take(surplus) {
            std::fs::remove_file(file)?;
        }
        Ok(())
    }

    fn begin(&mut self, file: File) -> io::Result<()> {
        self.inode = identity(&file)?;
        (self.file, self.size, self.first) = (file, 0, self.head.seq + 1);
        File::open(folder(&self.path))?.sync_all()
    }

    /// Makes the file anew if somebody has moved or removed it, so that no line goes where nobody looks.
    ///
    /// # Errors
    /// Another file that has something in it is in its place, or none can be made.
    pub(super) fn reopen_if_moved(&mut self) -> io::Result<()> {
        let there = std::fs::metadata(&self.path).map(|metadata| (metadata.dev(), metadata.ino()));
        if there.is_ok_and(|there| there == self.inode) {
            return Ok(());
        }
        let file = open(&self.path, false)?;
        if file.metadata()?.len() > 0 {
            return Err(io::Error::other("another file was put in its place: move that away"));
        }
        make_private(&file)?;
        tracing::error!(
            "audit log: {} was moved or removed, another one is begun (head {})",
            self.path.display(),
            self.head
        );
        self.begin(file)
    }
}

fn open(path: &Path, new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(PRIVATE);
    if !new {
        return options.create(true).truncate(false).open(path);
    }
    let file = options.create_new(true).open(path)?;
    make_private(&file)?;
    Ok(file)
}

fn make_private(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(PRIVATE))
}

/// Keeps other supervisors away. The lock is a file of its own, because the log changes its name. A link in its place is not
/// followed.
fn lock(path: &Path) -> Result<File, AuditError> {
    let name = beside(path, ".lock");
    let failed = |source| AuditError::Io { path: name.clone(), source };
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(PRIVATE);
    let file = options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AuditError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Returns the last line before the file that is written.
fn head_before(path: &Path) -> io::Result<Option<Head>> {
    let Some((_, last)) = rotated(path)?.pop() else { return Ok(None) };
    Ok(end_of(&mut File::open(last)?)?.and_then(|end| end.head))
}

/// Returns the number of the first line of a file.
fn first_number(path: &Path, whole: u64, head: &Head) -> io::Result<u64> {
    use std::io::BufRead;
    let mut line = Vec::new();
    io::BufReader::new(File::open(path)?).read_until(b'\n', &mut line)?;
    let read = super::chain::Line::read(line.strip_suffix(b"\n").unwrap_or(&line));
    Ok(match read {
        Ok(line) if whole > 0 => line.seq,
        Ok(_) | Err(_) => head.seq + 1,
    })
}

/// Keeps the bytes that a crash has left in a file of their own, and returns its name.
fn keep_apart(path: &Path, seq: u64, torn: &[u8]) -> io::Result<String> {
    for number in 0..MOST_TORN {
        let name = beside(path, &format!(".torn-{seq}-{number}"));
        match open(&name, true) {
            Ok(mut file) => {
                file.write_all(torn)?;
                file.sync_all()?;
                return Ok(name.file_name().unwrap_or_default().to_string_lossy().into_owned());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("there are {MOST_TORN} torn lines before line {seq}: look at the disk")))
}
