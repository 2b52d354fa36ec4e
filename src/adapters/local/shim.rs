//! The hidden subcommand that prepares itself and then becomes the actor's program.

use std::ffi::OsString;

/// Reads `[--pdeathsig] [--parent PID] -- PROGRAM ARGS…`, prepares this process and becomes PROGRAM; returns only when
/// that fails.
pub fn exec_shim(_args: impl IntoIterator<Item = OsString>) -> std::io::Error {
    std::io::Error::other("not built yet")
}
