//! Reads a backup: first all of it, to see that it is what was written, then record by record.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};

use flate2::bufread::GzDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::line::{Counts, EndLine, FORMAT, Header, HeaderLine, LONGEST};
use super::seal::{self, seal};
use crate::adapters::redis::Record;
use crate::hex;

/// First bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes that are read at once.
const CHUNK: usize = 128 * 1024;

/// Fault of a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileFault {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("is no backup: it does not begin as one")]
    NotABackup,
    #[error(
        "is cut short or was changed: its checksum is not that of its contents. Nothing of it is restored; take another copy"
    )]
    Changed,
    #[error(
        "has format {format}, and this program reads formats up to {FORMAT}: use hero-supervisor {version} or a later one"
    )]
    Newer { format: u32, version: String },
    #[error("line {line}: {why}")]
    Line { line: u64, why: String },
}

/// A file that is what was written.
pub(super) struct Checked {
    pub(super) header: Header,
    pub(super) counts: Counts,
    pub(super) sha256: String,
}

/// A backup in a file.
pub(super) struct BackupFile {
    file: File,
    /// Bytes before the seal.
    length: u64,
}

impl BackupFile {
    pub(super) fn new(file: File) -> Result<Self, FileFault> {
        if !file.metadata()?.is_file() {
            return Err(FileFault::NotABackup);
        }
        let length = file.metadata()?.len().saturating_sub(seal::LENGTH as u64);
        Ok(Self { file, length })
    }

    /// Reads all of it.
    pub(super) fn check(&mut self) -> Result<Checked, FileFault> {
        let sha256 = self.check_seal()?;
        let mut records = self.records()?;
        let mut counts = Counts::default();
        for record in records.by_ref() {
            counts.add(&record?.1);
        }
        let (header, lines) = (records.header, records.line);
        match records.end {
            Some(end) if end == counts => Ok(Checked { header, counts, sha256 }),
            Some(_) => {
                Err(FileFault::Line { line: lines, why: "the numbers of records are others".to_owned() })
            }
            None => Err(FileFault::Line { line: lines, why: "the end is missing".to_owned() }),
        }
    }

    /// Compares the seal with the digest of what is before it; returns the digest of the whole file.
    fn check_seal(&mut self) -> Result<String, FileFault> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut begin = [0; 2];
        match self.file.read_exact(&mut begin) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(FileFault::NotABackup),
            read => read?,
        }
        if begin != GZIP {
            return Err(FileFault::NotABackup);
        }
        self.file.seek(SeekFrom::Start(0))?;
        let mut digest = Sha256::new();
        let mut left = (&self.file).take(self.length);
        let mut chunk = vec![0; CHUNK];
        loop {
            match left.read(&mut chunk)? {
                0 => break,
                count => digest.update(&chunk[..count]),
            }
        }
        let mut found = Vec::new();
        (&self.file).take(seal::LENGTH as u64 + 1).read_to_end(&mut found)?;
        if found != seal(&digest.clone().finalize().into()) {
            return Err(FileFault::Changed);
        }
        digest.update(&found);
        Ok(hex::encode(&digest.finalize()))
    }

    /// Begins to read its records.
    pub(super) fn records(&self) -> Result<Records, FileFault> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        let gzip = GzDecoder::new(BufReader::with_capacity(CHUNK, file.take(self.length)));
        let mut lines = BufReader::with_capacity(CHUNK, gzip);
        let text = read_line(&mut lines, 1)?;
        let Ok(AnyHeader { header: Format { format, version } }) = serde_json::from_slice(&text) else {
            return Err(FileFault::NotABackup);
        };
        if format > FORMAT {
            return Err(FileFault::Newer { format, version });
        }
        let HeaderLine { header } = parse(&text, 1)?;
        Ok(Records { lines, header, line: 1, end: None })
    }
}

/// The part of a header that every format has.
#[derive(Deserialize)]
struct AnyHeader {
    header: Format,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
    #[serde(default)]
    version: String,
}

/// The records of a backup, each with its line.
pub(super) struct Records {
    lines: BufReader<GzDecoder<BufReader<Take<File>>>>,
    header: Header,
    line: u64,
    end: Option<Counts>,
}

impl Iterator for Records {
    type Item = Result<(u64, Record), FileFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.end.is_some() {
            return None;
        }
        let line = self.line + 1;
        let read = read_line(&mut self.lines, line);
        match read {
            Ok(text) if text.is_empty() => None,
            Ok(text) => {
                self.line = line;
                if text.starts_with(b"{\"end\":") {
                    return match parse::<EndLine>(&text, line) {
                        Ok(EndLine { end }) => {
                            self.end = Some(end);
                            None
                        }
                        Err(fault) => Some(Err(fault)),
                    };
                }
                Some(parse(&text, line).map(|record| (line, record)))
            }
            Err(fault) => Some(Err(fault)),
        }
    }
}

/// Reads one line; it is empty at the end.
fn read_line(lines: &mut impl BufRead, line: u64) -> Result<Vec<u8>, FileFault> {
    let mut text = Vec::new();
    let read = lines.take(LONGEST).read_until(b'\n', &mut text);
    read.map_err(|error| FileFault::Line { line, why: error.to_string() })?;
    if text.len() as u64 == LONGEST {
        return Err(FileFault::Line { line, why: format!("it is longer than {LONGEST} bytes") });
    }
    Ok(text)
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8], line: u64) -> Result<T, FileFault> {
    serde_json::from_slice(text).map_err(|error| FileFault::Line { line, why: error.to_string() })
}

#[cfg(test)]
mod tests;
