//! The group `audit`: the log of who has called what.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

/// Default of `audit.rotate_bytes`.
pub(super) const DEFAULT_ROTATE_BYTES: &str = "100MB";
/// Default of `audit.keep`.
pub(super) const DEFAULT_KEEP: u32 = 30;
/// Least size of a file: smaller ones would be replaced all the time.
const LEAST_ROTATE_BYTES: u64 = 64 * 1024;
/// Units of sizes, as they are written.
const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// The settings of the group.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// Path of the file. Nothing is noted without it.
    pub path: Option<PathBuf>,
    /// Consequence of a line that cannot be written.
    pub delivery: Delivery,
    /// Notes reads as well.
    pub reads: bool,
    /// Size from which another file is begun.
    #[serde(deserialize_with = "bytes")]
    pub rotate_bytes: u64,
    /// Number of files that are kept beside the one that is written.
    pub keep: u32,
}

/// Consequence of a line that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// A change that cannot be noted is refused.
    Enforced,
    /// The line is lost, and counted.
    BestEffort,
}

/// The flags of the group.
#[derive(Debug, Clone, Default, clap::Args, serde::Serialize)]
pub struct AuditFlags {
    /// Note who calls what in this file [default: nowhere]
    #[arg(id = "audit.path", long = "audit-log", value_name = "FILE")]
    #[serde(rename = "audit.path")]
    pub path: Option<String>,
    /// Consequence of a line that cannot be written: enforced refuses changes, best_effort loses the line [default:
    /// enforced]
    #[arg(id = "audit.delivery", long = "audit-delivery", value_name = "WORD")]
    #[serde(rename = "audit.delivery")]
    pub delivery: Option<String>,
    /// Note reads, too
    #[arg(id = "audit.reads", long = "audit-reads")]
    #[serde(rename = "audit.reads")]
    pub reads: bool,
    /// Begin another file from this size on [default: 100MB]
    #[arg(id = "audit.rotate_bytes", long = "audit-rotate-bytes", value_name = "SIZE")]
    #[serde(rename = "audit.rotate_bytes")]
    pub rotate_bytes: Option<String>,
    /// Keep this many older files [default: 30]
    #[arg(id = "audit.keep", long = "audit-keep", value_name = "N")]
    #[serde(rename = "audit.keep")]
    pub keep: Option<String>,
}

impl AuditSettings {
    /// Checks what types cannot express.
    pub(super) fn check(&self, mut wrong: impl FnMut(&str, String)) {
        if self.rotate_bytes < LEAST_ROTATE_BYTES {
            wrong("audit.rotate_bytes", format!("is {}: use at least 64KiB", self.rotate_bytes));
        }
        if self.keep == 0 {
            wrong("audit.keep", "is 0: keep at least 1 older file".to_owned());
        }
        if self.path.is_none() && self.reads {
            wrong("audit.reads", "has no effect without audit.path".to_owned());
        }
        if self.path.as_ref().is_some_and(|path| !path.is_absolute()) {
            wrong(
                "audit.path",
                "is relative: use an absolute path, so that the log is always at one place".to_owned(),
            );
        }
    }
}

/// Reads a number of bytes, or a size such as `100MB`.
fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Bytes(u64),
        Text(String),
    }
    match Size::deserialize(deserializer)? {
        Size::Bytes(bytes) => Ok(bytes),
        Size::Text(text) => parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a size: use 100MB or 64MiB"))),
    }
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, unit) = unit.unwrap_or((text, 1));
    number.trim().parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_or_without_a_unit() {
        let table = [
            ("100MB", Some(100_000_000)),
            ("64 KiB", Some(65_536)),
            ("5", Some(5)),
            ("2GB", Some(2_000_000_000)),
            ("", None),
            ("MB", None),
            ("-1", None),
            ("1.5MB", None),
            ("99999999999999999999GB", None),
        ];
        for (text, bytes) in table {
            assert_eq!(parse(text), bytes, "{text}");
        }
    }
}
