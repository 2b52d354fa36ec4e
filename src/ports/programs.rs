//! Looks at the program of an actor before it is started.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::domain::model::script_type::ScriptType;

/// Reason for which a program cannot be started as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramFault {
    /// Nothing there.
    #[error("no such file: check the path, or install it")]
    Missing,
    /// A folder or a device.
    #[error("not a regular file")]
    NotAFile,
    /// No execute permission.
    #[error("not executable: chmod +x it")]
    NotExecutable,
    /// Another content than the one expected.
    #[error("its SHA-256 is {found}, not {expected}: it was changed or replaced")]
    WrongDigest {
        /// Digest that the config names.
        expected: String,
        /// Digest of the file.
        found: String,
    },
    /// The file could not be read.
    #[error("it could not be read: {reason}")]
    Unreadable {
        /// The system's words.
        reason: String,
    },
}

/// Looks at programs.
#[async_trait]
pub trait Programs: Send + Sync {
    /// Makes sure that `path` is an executable file and, if given, has this SHA-256 (64 hexadecimal digits, any case).
    async fn inspect(&self, path: &Path, sha256: Option<&str>) -> Result<(), ProgramFault>;

    /// Finds the program of this machine for actors of a script type: beside the supervisor, in `PATH`, or in `/usr/local/bin`.
    async fn find(&self, script_type: ScriptType) -> Option<PathBuf>;
}
