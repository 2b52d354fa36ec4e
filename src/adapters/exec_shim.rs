//! The hidden subcommand that prepares itself and then becomes the actor's program.
//!
//! The shim is a process of its own because user, limits and the signal at the death of the parent can only be set
//! between fork and exec, where safe Rust runs nothing, and because no Zinit can set them.
//!
//! ```text
//!  process manager ─► hero-supervisor exec-shim OPTIONS -- PROGRAM ARGS… ─► PROGRAM, by the same pid
//! ```
//!
//! Before the program starts, the shim can put a filter behind its output (`output_filter`). The shim also runs health checks
//! and notes how they failed (`check_report`).

mod become_program;
mod check_report;
mod env_files;
mod options;
mod output_filter;
mod user;

use std::ffi::OsString;
use std::io;

pub use check_report::{CHECK_OUTPUT_BYTES, check_failure, check_words, failed_check};
pub use options::{UTF8_OUTPUT, env_words, words};

use options::Request;

/// Reads `OPTIONS -- PROGRAM ARGS…` (without the subcommand's own name), prepares this process and becomes PROGRAM,
/// keeping its pid. It returns only when that fails, and, as the filter of an output, at the end of that output.
///
/// The signal of `--pdeathsig` comes when the thread that spawned the process ends, so only a thread that lives as long
/// as the parent may use it.
///
/// # Errors
/// The reason why there is no PROGRAM; exit with 127 then.
pub fn exec_shim(args: impl IntoIterator<Item = OsString>) -> io::Result<()> {
    let mut args = args.into_iter().peekable();
    if args.next_if(|word| word == output_filter::FILTER).is_some() {
        return output_filter::run(options::number(output_filter::FILTER, "a descriptor", args.next())?);
    }
    if args.next_if(|word| word == check_report::REPORT).is_some() {
        match check_report::run(args)? {}
    }
    match Request::parse(args).and_then(|request| become_program::become_program(&request))? {}
}
