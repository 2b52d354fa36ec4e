//! Checks the chain of a log: a changed, removed or displaced line is found, with its place.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::chain::{Head, Line};
use super::files::all_files;

/// Most faults that are listed.
const MOST_FAULTS: usize = 100;
/// Longest line that is read; the longest that is written is far shorter.
const LONGEST_LINE: u64 = 1024 * 1024;

/// A fault, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line of the file, counted from 1.
    pub line: u64,
    /// The fault, as a fragment behind the line number.
    pub what: String,
}

/// Result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Number of files.
    pub files: usize,
    /// Number of lines.
    pub lines: u64,
    /// Number of the first line.
    pub first: u64,
    /// The last line.
    pub head: Head,
    /// True if the last line says that its supervisor has ended in order.
    pub closed: bool,
    /// The faults, the first hundred.
    pub faults: Vec<Fault>,
}

/// Checks all files of a log. With `known` one line is compared with what was noted elsewhere, so that lines that were removed
/// from the end are found as well.
///
/// # Errors
/// A file that cannot be read, or none at all.
pub fn verify(path: &Path, known: Option<&Head>) -> io::Result<Report> {
    let files = all_files(path)?;
    if files.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such log"));
    }
    let mut check = Check::default();
    check.report.files = files.len();
    for file in &files {
        check.file(file, known)?;
    }
    if let Some(known) = known.filter(|_| !check.met) {
        let what = match known.seq {
            seq if seq < check.report.first => {
                format!("line {seq} is in a file that is no longer there")
            }
            seq => format!(
                "lines were removed from the end: line {seq} was written, {} is the last",
                check.report.head.seq
            ),
        };
        let file = files.into_iter().next_back().unwrap_or_default();
        check.fault(&file, check.in_file, what);
    }
    Ok(check.report)
}

#[derive(Default)]
struct Check {
    report: Report,
    /// The hash of the line before; None behind a line that cannot be believed.
    before: Option<String>,
    /// Lines of the present file.
    in_file: u64,
    /// The line that is known from elsewhere was met.
    met: bool,
}

impl Check {
    fn file(&mut self, path: &Path, known: Option<&Head>) -> io::Result<()> {
        let mut reader = BufReader::new(File::open(path)?);
        self.in_file = 0;
        loop {
            let mut line = Vec::new();
            reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Ok(());
            }
            self.in_file += 1;
            let Some(whole) = line.strip_suffix(b"\n") else {
                self.fault(
                    path,
                    self.in_file,
                    "is not whole: it is being written, or a crash has torn it".to_owned(),
                );
                self.before = None;
                continue;
            };
            match Line::read(whole) {
                Ok(line) => self.line(path, &line, known),
                Err(what) => {
                    self.fault(path, self.in_file, what.to_owned());
                    self.unknown();
                }
            }
        }
    }

    fn line(&mut self, path: &Path, line: &Line, known: Option<&Head>) {
        let is_first = self.report.first == 0;
        let wanted = self.report.head.seq + 1;
        if self.in_file == 1 && !line.begins_file() {
            self.fault(path, 1, format!("is line {}: the first line of the file was removed", line.seq));
        }
        let fits = self.before.as_ref().is_none_or(|before| *before == line.prev_sha256);
        if is_first {
            self.report.first = line.seq;
            if line.seq == 1 && line.prev_sha256 != Head::default().sha256 {
                self.fault(path, self.in_file, "is not the first line of this log".to_owned());
            }
        } else if line.seq > wanted {
            let what = match line.seq - 1 {
                last if last == wanted => format!("line {wanted} is missing before it"),
                last => format!("lines {wanted} to {last} are missing before it"),
            };
            self.fault(path, self.in_file, what);
        } else if line.seq < wanted {
            self.fault(path, self.in_file, format!("is line {} in the place of {wanted}", line.seq));
        } else if !fits {
            let what =
                format!("does not follow line {}, which is another one than was written", line.seq - 1);
            self.fault(path, self.in_file, what);
        }
        if let Some(known) = known.filter(|known| known.seq == line.seq) {
            self.met = true;
            if known.sha256 != line.sha256 {
                self.fault(path, self.in_file, "is another line than the head that was given".to_owned());
            }
        }
        self.report.lines += 1;
        self.report.head = line.head();
        self.report.closed = line.closes();
        self.before = Some(line.sha256.clone());
    }

    /// Counts a line that cannot be believed.
    fn unknown(&mut self) {
        self.report.lines += 1;
        if self.report.first > 0 {
            self.report.head.seq += 1;
        }
        self.report.closed = false;
        self.before = None;
    }

    fn fault(&mut self, file: &Path, line: u64, what: String) {
        if self.report.faults.len() < MOST_FAULTS {
            self.report.faults.push(Fault { file: file.to_owned(), line, what });
        }
    }
}
