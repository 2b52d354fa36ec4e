//! Sets what was asked for, in an order in which each step is still allowed, and becomes the program.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use sha2::{Digest, Sha256};

use super::env_files;
use super::options::Request;
use super::output_filter::{self, FilteredOutput};
use super::user::Identity;

/// A process that does not end at the signal for its processor time is killed this many seconds later.
const CPU_MARGIN: u64 = 1;

pub(super) fn become_program(request: &Request) -> io::Result<Infallible> {
    // All that needs rights, memory or files comes before they are taken away. The filter is not confined with the program: it
    // would count as one of its processes.
    let output = if request.utf8_output { filtered_output() } else { None };
    let from_files = env_files::read(&request.env_files)?;
    let identity = request.run_as.as_ref().map(Identity::of).transpose()?;
    let checked = request.sha256.as_deref().map(|sha256| open_checked(request, sha256)).transpose()?;
    let mut command = match &checked {
        // What was looked at is what runs, whatever the path leads to by now.
        Some(file) => Command::new(format!("/proc/self/fd/{}", file.as_raw_fd())),
        None => Command::new(&request.program),
    };
    command.arg0(&request.program).args(&request.args).envs(from_files);
    if let Some(FilteredOutput { stdout, stderr }) = output {
        command.stdout(stdout).stderr(stderr);
    }
    set_limits(request)?;
    if let Some(identity) = identity {
        identity.assume()?;
    }
    if request.no_new_privs {
        prctl::set_no_new_privs()?;
    }
    if request.pdeathsig {
        // The last step: the kernel forgets it when the user changes.
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // A parent that died before the line above sends nothing any more.
        if let Some(parent) = request.parent
            && getppid().as_raw() != parent
        {
            return Err(io::Error::other(format!("the parent {parent} is gone")));
        }
    }
    let error = command.exec();
    let program = request.program.display();
    Err(io::Error::new(error.kind(), format!("{program} could not be executed: {error}")))
}

/// Starts a filter for the output. A program that writes UTF-8 does without it, so none is lost because there is none.
fn filtered_output() -> Option<FilteredOutput> {
    let started = output_filter::start();
    started
        .inspect_err(|error| {
            tracing::warn!(%error, "output filter: cannot be started (a byte that is not UTF-8 would end the program)");
        })
        .ok()
}

/// Opens the program and makes sure that it is the one that was meant.
fn open_checked(request: &Request, expected: &str) -> io::Result<File> {
    let program = request.program.display();
    let unreadable =
        |error: io::Error| io::Error::new(error.kind(), format!("{program} could not be read: {error}"));
    let mut file = File::open(&request.program).map_err(unreadable)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    let mut begin = [0; 4];
    let mut first = true;
    loop {
        let read = file.read(&mut chunk).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        if first {
            let length = read.min(begin.len());
            begin[..length].copy_from_slice(&chunk[..length]);
            first = false;
        }
        hasher.update(&chunk[..read]);
    }
    let found = crate::hex::encode(&hasher.finalize());
    if found != expected {
        let fault =
            format!("the SHA-256 of {program} is {found}, not {expected}: it was changed or replaced");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, fault));
    }
    if begin != *b"\x7fELF" {
        // A script is opened once more, by its interpreter, so it has to stay open.
        file.rewind()?;
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    Ok(file)
}

fn set_limits(request: &Request) -> io::Result<()> {
    let cpu_hard = request.cpu.map(|seconds| seconds.saturating_add(CPU_MARGIN));
    let limits = [
        ("--files", Resource::RLIMIT_NOFILE, request.files, request.files),
        ("--cpu", Resource::RLIMIT_CPU, request.cpu, cpu_hard),
        ("--processes", Resource::RLIMIT_NPROC, request.processes, request.processes),
        ("--core", Resource::RLIMIT_CORE, request.core, request.core),
        // The last one, as from here on memory may be short.
        ("--memory", Resource::RLIMIT_AS, request.memory, request.memory),
    ];
    for (name, resource, soft, hard) in limits {
        let (Some(soft), Some(hard)) = (soft, hard) else { continue };
        if let Err(error) = setrlimit(resource, soft, hard) {
            let highest = getrlimit(resource).map(|(_soft, hard)| hard).unwrap_or_default();
            let fault = format!(
                "the limit {name} {soft} cannot be set: {}; without root at most {highest} is allowed",
                error.desc()
            );
            return Err(io::Error::new(io::Error::from(error).kind(), fault));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_parent_is_noticed() {
        let request = Request {
            pdeathsig: true,
            parent: Some(i32::MAX),
            program: "/bin/true".into(),
            ..Request::default()
        };
        let error = become_program(&request).unwrap_err();
        assert_eq!(error.to_string(), format!("the parent {} is gone", i32::MAX));
    }

    #[test]
    fn a_program_with_another_digest_is_not_run() {
        let sha256 = Some("0".repeat(64));
        let request = Request { sha256, program: "/bin/true".into(), ..Request::default() };
        let error = become_program(&request).unwrap_err().to_string();
        assert!(
            error.starts_with("the SHA-256 of /bin/true is ") && error.ends_with("changed or replaced"),
            "{error}"
        );
    }
}
