//! Pages of the log, from its end towards its beginning. Files are read as they lie there, beside the writer, which only appends.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::entry::read_line;
use super::files::rotated;
use crate::ports::audit_reader::{AuditFilter, AuditPage, AuditPlace, AuditReader, NotRead};

/// Bytes that are read at once.
const CHUNK: u64 = 64 * 1024;
/// Most bytes that one call looks through.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of lines on a page: they fit into a message.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
/// Longest line; the longest that is written is far shorter.
const LONGEST_LINE: usize = 1024 * 1024;

/// Reads the log at a path, for one call at a time.
#[derive(Debug)]
pub struct AuditFiles {
    path: PathBuf,
    turn: Semaphore,
}

impl AuditFiles {
    /// Makes a reader of this log.
    pub fn new(path: PathBuf) -> Self {
        Self { path, turn: Semaphore::new(1) }
    }
}

#[async_trait]
impl AuditReader for AuditFiles {
    async fn page(
        &self,
        filter: &AuditFilter,
        before: Option<AuditPlace>,
        limit: usize,
    ) -> Result<AuditPage, NotRead> {
        let _turn = self.turn.acquire().await.map_err(|closed| NotRead(closed.to_string()))?;
        let (path, filter) = (self.path.clone(), filter.clone());
        let read = spawn_blocking(move || page(&path, &filter, before, limit)).await;
        let told = |error: &dyn std::fmt::Display| NotRead(format!("the audit log cannot be read: {error}"));
        read.map_err(|error| told(&error))?.map_err(|error| told(&error))
    }
}

fn page(
    path: &Path,
    filter: &AuditFilter,
    before: Option<AuditPlace>,
    limit: usize,
) -> io::Result<AuditPage> {
    let mut page = AuditPage::default();
    let (mut left, mut bytes) = (MOST_BYTES, 0);
    for (first, file) in files_before(path, before)?.into_iter().rev() {
        let end = match before.filter(|before| before.file == first) {
            Some(before) => before.offset,
            None => file.metadata()?.len(),
        };
        let mut lines = Backwards {
            file,
            unread: end,
            bytes: Vec::new(),
            whole: before.is_some_and(|b| b.file == first),
        };
        while let Some((offset, line)) = lines.next()? {
            let length = line.len();
            left = left.saturating_sub(length as u64);
            let line = std::str::from_utf8(&line).ok().and_then(read_line);
            if let Some(line) = line.filter(|line| filter.lets_through(line)) {
                page.lines.push(line);
                bytes += length;
            }
            if page.lines.len() >= limit || bytes >= PAGE_BYTES || left == 0 {
                page.next = Some(AuditPlace { file: first, offset });
                return Ok(page);
            }
        }
    }
    Ok(page)
}

/// Opens the files that have lines in front of this place, the oldest first, each with the number of its first line.
fn files_before(path: &Path, before: Option<AuditPlace>) -> io::Result<Vec<(u64, File)>> {
    // First, so that a file that is rotated meanwhile is met under one of its names at least.
    let current = open(path)?;
    let mut files = Vec::new();
    for (first, path) in rotated(path)? {
        files.extend(open(&path)?.map(|file| (first, file)));
    }
    if let Some(current) = current
        && let Some(first) = first_number(&current)?
        && files.iter().all(|(known, _file)| *known != first)
    {
        files.push((first, current));
    }
    files.retain(|(first, _file)| before.is_none_or(|before| *first <= before.file));
    Ok(files)
}

/// Opens a file; None if it was removed.
fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Number of the first line of a file; None without one.
fn first_number(file: &File) -> io::Result<Option<u64>> {
    let mut line = Vec::new();
    let begin = io::Read::take(file, LONGEST_LINE as u64);
    BufReader::new(begin).read_until(b'\n', &mut line)?;
    Ok(std::str::from_utf8(&line).ok().and_then(read_line).map(|line| line.number))
}

/// The lines of a file from its end to its beginning.
struct Backwards {
    file: File,
    /// Bytes in front of those that were read.
    unread: u64,
    /// Bytes behind them that are not told yet.
    bytes: Vec<u8>,
    /// True once what is not whole at the end was left out.
    whole: bool,
}

impl Backwards {
    /// The next line without its end, and its place; None at the beginning of the file.
    fn next(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            if !self.whole {
                // What is behind the last line end is being written.
                if let Some(end) = self.bytes.iter().rposition(|byte| *byte == b'\n') {
                    self.bytes.truncate(end + 1);
                    self.whole = true;
                }
            }
            let told = self.bytes.len().saturating_sub(1);
            let begin =
                self.bytes.get(..told).and_then(|bytes| bytes.iter().rposition(|byte| *byte == b'\n'));
            if let Some(begin) = begin.filter(|_begin| self.whole) {
                let line = self.bytes.split_off(begin + 1);
                return Ok(Some((self.unread + begin as u64 + 1, without_end(line))));
            }
            if self.unread == 0 {
                let line = std::mem::take(&mut self.bytes);
                return Ok(Some((0, without_end(line))).filter(|(_, line)| self.whole && !line.is_empty()));
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> io::Result<()> {
        if self.bytes.len() > LONGEST_LINE {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "it has a line that no supervisor has written",
            ));
        }
        let length = self.unread.min(CHUNK);
        self.unread -= length;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, self.unread)?;
        bytes.append(&mut self.bytes);
        self.bytes = bytes;
        Ok(())
    }
}

fn without_end(mut line: Vec<u8>) -> Vec<u8> {
    line.pop();
    line
}
