//! The address of the Redis of scripts, which no script may find in the environment of its host.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::close;

/// Environment variable with the URL of the scripts' Redis.
pub(super) const SCRIPT_REDIS_URL: &str = "HERO_SCRIPT_REDIS_URL";
/// Through which descriptor it comes otherwise.
pub(super) const SCRIPT_REDIS_FD: &str = "script-redis-fd";

/// Starts this program again in the same process, without the address in its environment: that can be read for as long as a
/// process lives (`/proc/PID/environ`). It comes through a pipe instead.
pub(super) fn hide(url: &str) -> io::Result<()> {
    let (read, mut write) = io::pipe()?;
    write.write_all(url.as_bytes())?;
    drop(write);
    fcntl(&read, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let mut args = std::env::args_os();
    let mut again = Command::new("/proc/self/exe");
    if let Some(name) = args.next() {
        again.arg0(name);
    }
    again.args(args).arg(format!("--{SCRIPT_REDIS_FD}={}", read.as_raw_fd()));
    Err(again.env_remove(SCRIPT_REDIS_URL).exec())
}

/// Reads it from that pipe, which is closed then.
pub(super) fn read(descriptor: i32) -> io::Result<String> {
    let mut url = String::new();
    File::open(format!("/proc/self/fd/{descriptor}"))?.read_to_string(&mut url)?;
    close(descriptor)?;
    Ok(url)
}
