//! Writes a backup: lines of JSON in gzip, and the seal.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::line::{Counts, EndLine, Header, HeaderLine};
use super::seal::seal;
use crate::adapters::redis::Record;
use crate::hex;

/// A digest and a number of all bytes that are written.
struct Digesting<W> {
    out: W,
    digest: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.digest.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A backup that is being written.
pub(super) struct BackupWriter<W: Write> {
    gzip: GzEncoder<Digesting<W>>,
    counts: Counts,
}

/// A backup that is written.
pub(super) struct Finished<W> {
    pub(super) out: W,
    pub(super) counts: Counts,
    pub(super) bytes: u64,
    /// Digest of the whole file, seal included.
    pub(super) sha256: String,
}

impl<W: Write> BackupWriter<W> {
    pub(super) fn begin(out: W, header: Header) -> io::Result<Self> {
        let out = Digesting { out, digest: Sha256::new(), bytes: 0 };
        let mut writer =
            Self { gzip: GzBuilder::new().write(out, Compression::fast()), counts: Counts::default() };
        writer.line(&HeaderLine { header })?;
        Ok(writer)
    }

    pub(super) fn write(&mut self, record: &Record) -> io::Result<()> {
        self.counts.add(record);
        self.line(record)
    }

    pub(super) fn records(&self) -> u64 {
        let Counts { actors, settings, queues, jobs, requests, objects, .. } = &self.counts;
        actors + settings + queues + jobs + requests + objects
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.gzip, line)?;
        self.gzip.write_all(b"\n")
    }

    pub(super) fn finish(mut self) -> io::Result<Finished<W>> {
        self.line(&EndLine { end: self.counts.clone() })?;
        let mut out = self.gzip.finish()?;
        let digest: [u8; 32] = out.digest.clone().finalize().into();
        out.write_all(&seal(&digest))?;
        out.flush()?;
        let sha256 = hex::encode(&out.digest.finalize());
        Ok(Finished { out: out.out, counts: self.counts, bytes: out.bytes, sha256 })
    }
}
