//! The hidden subcommand that prepares itself and then becomes the actor's program.
//!
//! It is a process of its own because what it sets (user, limits, the signal to get when the parent dies) can only be set
//! between fork and exec, where safe Rust runs nothing, and because no Zinit can set it.
//!
//! ```text
//!  process manager ─► hero-supervisor exec-shim OPTIONS -- PROGRAM ARGS… ─► PROGRAM, by the same pid
//! ```

mod become_program;
mod options;
mod user;

use std::ffi::OsString;
use std::io;

pub use options::words;

use options::Request;

/// Reads `OPTIONS -- PROGRAM ARGS…` (without the subcommand's own name), prepares this process and becomes PROGRAM,
/// keeping its pid. Returns only when that fails; exit with 127 then.
///
/// The signal of `--pdeathsig` comes when the thread that spawned the process ends, so only a thread that lives as long
/// as the parent may use it.
pub fn exec_shim(args: impl IntoIterator<Item = OsString>) -> io::Error {
    match Request::parse(args).and_then(|request| become_program::become_program(&request)) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}
