//! Makes programs of scripts.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use sha2::{Digest, Sha256};

use super::cache::Cache;
use super::diagnosis::{Circumstances, SOURCE, crash, diagnose, no_room};
use super::flags::VFlags;
use super::run::{CaptureSink, Ended, Task};
use super::{elf, find, internal, unavailable};
use crate::actor::engines::failed;
use crate::actor::engines::kill_ladder::{StopReason, killed};
use crate::domain::model::job::{JobError, JobErrorKind};
use crate::ports::work_queue::{AttemptError, Retryability};

/// Lets a program write when it prints and not when it ends, as V does it where nobody reads along. An older V spells it
/// wrongly, and no V minds one that it does not know.
const LIVE: [&str; 4] =
    ["-d", "builtin_write_buf_to_fd_should_use_c_write", "-d", "bultin_write_buf_to_fd_should_use_c_write"];
/// A program that ends by one of these may be a broken one.
const BROKEN: [Signal; 3] = [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL];
/// Exit codes of what cannot be started.
const NOT_STARTED: [i32; 2] = [126, 127];

/// The compiler, and the programs that it has made.
#[derive(Debug)]
pub(super) struct Compiler {
    program: PathBuf,
    version: String,
    cache: Cache,
}

/// A compiled script.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    key: String,
    /// Largest resident memory of the compiler in bytes, 0 for a program that was kept.
    pub(super) peak: u64,
}

impl Compiler {
    /// Looks for V; answers also with what to call it.
    pub(super) fn find(flags: &VFlags) -> Result<(Self, String), String> {
        let (program, version) = find::v(flags)?;
        let shown = format!("{version} ({})", program.display());
        let cache = Cache::open(flags.cache(), flags.cache_size)?;
        Ok((Self { program, version, cache }, shown))
    }

    /// False when V was removed.
    pub(super) fn is_there(&self) -> bool {
        find::is_program(&self.program)
    }

    /// The program of a script, in `folder`: one that was kept, or a new one, made within `limit`.
    pub(super) fn program(
        &self,
        text: &str,
        folder: &Path,
        limit: Duration,
        flags: &VFlags,
    ) -> Result<Program, AttemptError> {
        let mut program = Program { path: folder.join("script"), key: self.key(text, flags), peak: 0 };
        if let Some(kept) = self.cache.fetch(&program.key) {
            put(&program.path, &kept).map_err(|error| internal(&error, folder))?;
            return Ok(program);
        }
        fs::write(folder.join(SOURCE), text).map_err(|error| internal(&error, folder))?;
        let (made, peak) = self.compile(folder, &program.path, limit, flags)?;
        program.peak = peak;
        if let Err(error) = self.cache.keep(&program.key, &made) {
            tracing::warn!(%error, "v cache: cannot keep a compiled script");
        }
        Ok(program)
    }

    /// Takes note of how a program has ended: one that may be broken is not used again.
    pub(super) fn has_ended(&self, program: &Program, ended: &Ended) {
        let broken = ended.status.signal().and_then(|signal| Signal::try_from(signal).ok());
        let not_started = ended.status.code().is_some_and(|code| NOT_STARTED.contains(&code));
        if not_started || broken.is_some_and(|signal| BROKEN.contains(&signal)) {
            self.cache.forget(&program.key);
        }
    }

    /// Each part with its length, so that no two scripts have the same.
    fn key(&self, text: &str, flags: &VFlags) -> String {
        let mut hash = Sha256::new();
        let flags = LIVE.into_iter().chain(flags.v_flag.iter().map(String::as_str));
        for part in [text, &self.version].into_iter().chain(flags) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        format!("{:x}", hash.finalize())
    }

    /// Makes the program. Returns its content, and the memory that the compiler has needed.
    fn compile(
        &self,
        folder: &Path,
        program: &Path,
        limit: Duration,
        flags: &VFlags,
    ) -> Result<(Vec<u8>, u64), AttemptError> {
        let env = self.environment(folder, flags).map_err(|error| internal(&error, folder))?;
        let mut args: Vec<_> = LIVE.iter().map(Into::into).collect();
        args.extend(flags.v_flag.iter().map(Into::into));
        args.extend(["-o".into(), program.into(), SOURCE.into()]);
        let task = Task { program: &self.program, args, env, folder, timeout: limit };
        let (ended, said) = CaptureSink::run(&task, &flags.work).map_err(|error| internal(&error, folder))?;
        if ended.stop_reason == StopReason::None && ended.status.success() && program.is_file() {
            return made(program, folder).map(|content| (content, ended.peak));
        }
        Err(self.failure(
            &ended,
            &said,
            limit,
            &Circumstances { folder, search_path: Path::new(&flags.search_path) },
        ))
    }

    fn failure(
        &self,
        ended: &Ended,
        said: &str,
        limit: Duration,
        circumstances: &Circumstances<'_>,
    ) -> AttemptError {
        let mut attempt = diagnose(said, circumstances);
        let how = match (ended.stop_reason, ended.status.signal()) {
            (StopReason::Overran, _) => failed(JobError::new(
                JobErrorKind::RunTimeout,
                format!("the script was not compiled within {limit:?}, its part of the timeout"),
            )),
            (StopReason::TooMany(most), _) => failed(JobError::new(
                JobErrorKind::LimitExceeded,
                format!("the compiler had more than the {most} processes that are allowed"),
            )),
            (StopReason::None, Some(signal)) => ended_by(signal),
            (StopReason::None, None)
                if ended.status.code().is_some_and(|code| NOT_STARTED.contains(&code)) =>
            {
                let program = self.program.display();
                unavailable(&format!("V cannot be started ({program}): {}", said.trim()))
            }
            (StopReason::None, None) => return attempt,
        };
        let log_tail = std::mem::take(&mut attempt.error.log_tail);
        AttemptError { error: JobError { log_tail, ..how.error }, ..how }
    }

    /// The compiler writes nowhere but here, and where the C parts of its library are kept. Modules are not: a job could
    /// put one there for the next.
    fn environment(&self, folder: &Path, flags: &VFlags) -> io::Result<BTreeMap<String, String>> {
        let (modules, temporary) = (folder.join("modules"), folder.join("tmp"));
        fs::create_dir_all(&modules)?;
        fs::create_dir_all(&temporary)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let pairs = [
            ("PATH", flags.search_path.to_string_lossy().into_owned()),
            ("HOME", text(folder)),
            ("VMODULES", text(&modules)),
            ("VCACHE", text(&self.cache.objects())),
            ("VTMP", text(&temporary)),
            ("TMPDIR", text(&temporary)),
            ("LANG", "C.UTF-8".to_owned()),
        ];
        Ok(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// Reads the compiled program, if it is whole: some compilers do not notice that the disk is full.
fn made(program: &Path, folder: &Path) -> Result<Vec<u8>, AttemptError> {
    let bytes = fs::read(program).map_err(|error| internal(&error, folder))?;
    match elf::whole(&bytes) {
        Ok(()) => Ok(bytes),
        Err(what) => {
            let mut attempt = no_room(folder);
            let told = format!("the program that V has made {what}; most likely ");
            attempt.error.message.insert_str(0, &told);
            Err(attempt)
        }
    }
}

/// A signal that we have not sent.
fn ended_by(signal: i32) -> AttemptError {
    let Ok(signal) = Signal::try_from(signal) else { return crash(&format!("signal {signal}")) };
    let error = killed(signal);
    if error.kind != JobErrorKind::LimitExceeded {
        let mut attempt = crash(signal.as_str());
        attempt.error.signal = error.signal;
        if signal == Signal::SIGKILL {
            // Another process has sent it.
            attempt.retry = Retryability::Retry;
        }
        return attempt;
    }
    let message = error.message.replacen("the script", "V, compiling the script,", 1);
    failed(JobError { message, ..error })
}

/// A program where it is run.
fn put(path: &Path, program: &[u8]) -> io::Result<()> {
    File::options().write(true).create_new(true).mode(0o700).open(path)?.write_all(program)
}
