//! Makes programs of scripts.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use sha2::{Digest, Sha256};

use super::cache::Cache;
use super::flags::VFlags;
use super::internal;
use super::run::{Heard, Task};
use crate::actor::engines::failed;
use crate::actor::engines::ladder::{Verdict, killed};
use crate::domain::job::{JobError, JobErrorKind};
use crate::ports::work_queue::AttemptError;

/// Lines of the compiler that go with an error.
const LINES: usize = 20;
/// The name of the file that is compiled.
const SOURCE: &str = "main.v";

/// The compiler, and the programs that it has made.
#[derive(Debug)]
pub(super) struct Compiler {
    program: PathBuf,
    version: String,
    cache: Cache,
}

impl Compiler {
    pub(super) fn new(program: PathBuf, version: String, flags: &VFlags) -> Result<Self, String> {
        let cache = Cache::open(flags.cache(), flags.cache_size)?;
        Ok(Self { program, version, cache })
    }

    /// The program of a script, in `folder`: one that was kept, or a new one.
    pub(super) fn program(
        &self,
        text: &str,
        folder: &Path,
        timeout: Duration,
        flags: &VFlags,
    ) -> Result<PathBuf, AttemptError> {
        let program = folder.join("script");
        let key = self.key(text, flags);
        if self.cache.fetch(&key, &program).map_err(|error| internal(&error))? {
            return Ok(program);
        }
        fs::write(folder.join(SOURCE), text).map_err(|error| internal(&error))?;
        self.compile(folder, &program, timeout / 2, flags)?;
        if let Err(error) = self.cache.keep(&key, &program) {
            tracing::warn!(%error, "a compiled script was not kept");
        }
        Ok(program)
    }

    /// Each part with its length, so that no two scripts have the same.
    fn key(&self, text: &str, flags: &VFlags) -> String {
        let mut hash = Sha256::new();
        for part in [text, &self.version].into_iter().chain(flags.v_flag.iter().map(String::as_str)) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        format!("{:x}", hash.finalize())
    }

    fn compile(
        &self,
        folder: &Path,
        program: &Path,
        timeout: Duration,
        flags: &VFlags,
    ) -> Result<(), AttemptError> {
        let env = self.environment(folder, flags).map_err(|error| internal(&error))?;
        let mut args: Vec<_> = flags.v_flag.iter().map(Into::into).collect();
        args.extend(["-o".into(), program.into(), SOURCE.into()]);
        let task = Task { program: &self.program, args, env, folder, timeout };
        let (ended, said) = Heard::of(&task, &flags.work).map_err(|error| internal(&error))?;
        let error = match (ended.verdict, ended.status.signal()) {
            (Verdict::Overran, _) => JobError::new(
                JobErrorKind::RunTimeout,
                format!("the script was not compiled within {timeout:?}, half of its timeout"),
            ),
            (Verdict::TooMany(most), _) => JobError::new(
                JobErrorKind::LimitExceeded,
                format!("the compiler had more than the {most} processes that are allowed"),
            ),
            (Verdict::None, Some(signal)) => match Signal::try_from(signal) {
                Ok(signal) => killed(signal),
                Err(_) => JobError::new(JobErrorKind::EngineCrash, format!("V was ended by signal {signal}")),
            },
            (Verdict::None, None) if ended.status.success() && program.is_file() => return Ok(()),
            (Verdict::None, None) => invalid(&said),
        };
        let log_tail = said.lines().take(LINES).map(str::to_owned).collect();
        Err(failed(JobError { log_tail, ..error }))
    }

    /// The compiler writes nowhere but here.
    fn environment(&self, folder: &Path, flags: &VFlags) -> io::Result<BTreeMap<String, String>> {
        let (modules, temporary) = (folder.join("modules"), folder.join("tmp"));
        fs::create_dir_all(&modules)?;
        fs::create_dir_all(&temporary)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let pairs = [
            ("PATH", flags.search_path.to_string_lossy().into_owned()),
            ("HOME", text(folder)),
            ("VMODULES", text(&modules)),
            ("VTMP", text(&temporary)),
            ("TMPDIR", text(&temporary)),
            ("LANG", "C.UTF-8".to_owned()),
        ];
        Ok(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// The first error that V has found: `main.v:2:5: error: unexpected token`.
fn invalid(said: &str) -> JobError {
    for line in said.lines() {
        let Some((place, message)) = line.split_once(": error: ") else { continue };
        let mut numbers = place.rsplit(':').map(str::parse::<u32>);
        let (column, row) = (numbers.next().and_then(Result::ok), numbers.next().and_then(Result::ok));
        return JobError { line: row, column, ..JobError::new(JobErrorKind::ScriptInvalid, message) };
    }
    let line = said.lines().find(|line| line.contains("error")).or_else(|| said.lines().last());
    let message = line.map_or("V made no program and did not say why", str::trim);
    JobError::new(JobErrorKind::ScriptInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_v_has_its_place() {
        let error =
            invalid("a warning\nmain.v:2:5: error: undefined ident: `x`\n    1 | x\nmain.v:9:9: error: y\n");
        assert_eq!((error.line, error.column), (Some(2), Some(5)));
        assert_eq!(error.message, "undefined ident: `x`");
        let error = invalid("builder error: cc not found\n");
        assert_eq!((error.line, error.message.as_str()), (None, "builder error: cc not found"));
    }
}
