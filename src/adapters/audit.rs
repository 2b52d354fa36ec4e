//! The audit log: lines of JSON in a file, each with the hash of the line before it.
//!
//! ```text
//!  calls ─► bounded queue ─► one task ─► one write for all that wait ─► file, synced each second
//!                                └─ a full disk: a change is refused (enforced), or the line is lost and counted
//! ```

mod chain;
mod counts;
mod entry;
mod file;
mod files;
mod flood;
mod line;
mod log;
mod options;
mod read;
mod recover;
mod verify;
mod writer;

pub use chain::{Head, Line};
pub use entry::read_line;
pub use file::AuditError;
pub use files::all_files;
pub use log::Audit;
pub use options::AuditOptions;
pub use read::AuditFiles;
pub use verify::{Fault, Report, verify};
pub use writer::{AuditWriter, OnState};
