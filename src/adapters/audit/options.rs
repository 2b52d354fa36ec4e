//! Options of the audit log.

use std::path::PathBuf;

/// Options of the audit log.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The file.
    pub path: PathBuf,
    /// Refuses changes that cannot be noted.
    pub enforced: bool,
    /// Notes reads as well.
    pub reads: bool,
    /// Size from which another file is begun.
    pub rotate_bytes: u64,
    /// Number of files that are kept beside the one that is written.
    pub keep: usize,
    /// Name of this machine.
    pub node: String,
}
