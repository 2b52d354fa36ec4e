//! V scripts.
//!
//! A script is compiled, and the program is kept for the next job with the same script; then it runs in a process group,
//! a folder and an environment of its own and within resource limits. Its result is the JSON that it writes into the file
//! named by `HERO_RESULT_FILE`, or what it has printed. The input of the job is in the file named by `HERO_INPUT_FILE`.
//! HeroScript is given to the `hero` program, if there is one.

mod cache;
mod compiler;
mod diagnosis;
mod elf;
mod end_report;
mod find;
mod flags;
mod outcome;
mod run;

pub use flags::VFlags;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::statvfs::{FsFlags, statvfs};
use tokio::time::Instant;

use crate::actor::engines::output::Output;
use crate::actor::engines::work::WorkFolder;
use crate::actor::engines::{Engine, Limits, Script, Sink, failed, is_heroscript};
use crate::actor::meter::ChildrenMeter;
use crate::domain::model::job::{JobError, JobErrorKind, JobKind, JobResult, JobUsage};
use crate::ports::work_queue::{AttemptError, Retryability};
use compiler::{Compiler, Program};
use end_report::EndListener;

/// Script of a ping.
const PING: &str = "println('pong')\n";

/// Runs V scripts.
#[derive(Debug)]
pub struct V {
    limits: Limits,
    flags: VFlags,
    /// The compiler; None while there is no V, which HeroScript does not need.
    compiler: Option<Compiler>,
    /// Parent of the folders of jobs.
    work: Option<WorkFolder>,
    children: ChildrenMeter,
    /// Largest resident memory of a process of the last job, in bytes.
    peak: u64,
}

/// The process of a job.
enum Started {
    Compiled(Program),
    Hero(PathBuf, Vec<OsString>),
}

impl V {
    /// An engine that has looked for nothing yet.
    pub fn new(flags: &VFlags, limits: Limits) -> Self {
        Self {
            limits,
            flags: flags.clone(),
            compiler: None,
            work: None,
            children: ChildrenMeter::default(),
            peak: 0,
        }
    }

    fn attempt(
        &mut self,
        script: &Script<'_>,
        folder: &Path,
        sink: &Arc<dyn Sink>,
    ) -> Result<JobResult, AttemptError> {
        let begun = Instant::now();
        let (work, result) = (folder.join("work"), folder.join("result"));
        fs::create_dir(&work).map_err(|error| internal(&error, folder))?;
        let started = self.started(script, folder)?;
        let mut env = self.flags.work.environment(script, &work, Path::new(""));
        // A program has no constants of ours: it reads them where it reads everything else.
        env.insert("CALLER_ID".to_owned(), script.caller_id.to_owned());
        env.insert("CONTEXT_ID".to_owned(), script.context_id.to_owned());
        if let Some(input) = script.input {
            let file = folder.join("input");
            fs::write(&file, input).map_err(|error| internal(&error, folder))?;
            env.insert("HERO_INPUT_FILE".to_owned(), file.to_string_lossy().into_owned());
        }
        env.insert("HERO_RESULT_FILE".to_owned(), result.to_string_lossy().into_owned());
        let (program, args) = match &started {
            Started::Compiled(program) => (program.path.as_path(), Vec::new()),
            Started::Hero(program, args) => (program.as_path(), args.clone()),
        };
        let timeout = script.timeout.saturating_sub(begun.elapsed());
        let task = run::Task { program, args, env, folder: &work, timeout };
        let listening = EndListener::new(sink);
        let heard: Arc<dyn Sink> = Arc::clone(&listening) as Arc<dyn Sink>;
        let mut output = Output::new(&self.limits, &heard);
        let ended =
            run::run(&task, &self.flags.work, &mut output).map_err(|error| internal(&error, folder))?;
        self.peak = self.peak.max(ended.peak);
        if let (Started::Compiled(program), Some(compiler)) = (&started, &self.compiler) {
            compiler.has_ended(program, &ended);
        }
        outcome::attempt_outcome(
            &ended,
            script.timeout,
            &result,
            self.limits.result,
            &output,
            &listening.words(),
        )
    }

    /// Makes ready what is to be started.
    fn started(&mut self, script: &Script<'_>, folder: &Path) -> Result<Started, AttemptError> {
        // Nothing of a ping but its compilation takes time.
        let (text, limit) = match script.kind {
            JobKind::Ping => (PING, script.timeout * 9 / 10),
            JobKind::Script => (script.text, script.timeout / 2),
        };
        if script.kind == JobKind::Script && is_heroscript(text) {
            return self.hero(text, folder);
        }
        let flags = self.flags.clone();
        let program = self.compiler(folder)?.program(text, folder, limit, &flags)?;
        self.peak = self.peak.max(program.peak);
        Ok(Started::Compiled(program))
    }

    /// The compiler; one that was not there is looked for again.
    fn compiler(&mut self, folder: &Path) -> Result<&Compiler, AttemptError> {
        if is_noexec(folder) {
            return Err(unavailable(&format!(
                "no program can be started in {}: it is mounted noexec; name another folder with --work-dir",
                folder.display()
            )));
        }
        let compiler = match self.compiler.take().filter(Compiler::is_there) {
            Some(compiler) => compiler,
            None => Compiler::find(&self.flags).map_err(|reason| unavailable(&reason))?.0,
        };
        Ok(self.compiler.insert(compiler))
    }

    /// The program for HeroScript, and its arguments.
    fn hero(&self, text: &str, folder: &Path) -> Result<Started, AttemptError> {
        let hero = find::hero(&self.flags).map_err(|reason| unavailable(&reason))?;
        let file = folder.join("script.hero");
        fs::write(&file, text).map_err(|error| internal(&error, folder))?;
        Ok(Started::Hero(hero, vec!["run".into(), "-p".into(), file.into()]))
    }
}

impl Engine for V {
    const STARTS_PROCESSES: bool = true;
    const STOPS_SCRIPTS: bool = true;
    const SCRIPTS_ARE_PROCESSES: bool = true;

    fn probe(&mut self) -> Result<String, String> {
        // What jobs leave behind becomes a child of this process, which finds it then.
        set_child_subreaper(true).map_err(|error| format!("cannot become a subreaper: {error}"))?;
        self.work = Some(self.flags.work.dir.open()?);
        match Compiler::find(&self.flags) {
            Ok((compiler, shown)) => {
                self.compiler = Some(compiler);
                Ok(shown)
            }
            // It is looked for again with each job, and jobs in HeroScript do not need it.
            Err(reason) => Ok(format!("no V yet: {reason}")),
        }
    }

    fn run(&mut self, script: &Script<'_>, sink: &Arc<dyn Sink>) -> Result<JobResult, AttemptError> {
        let Some(mut work) = self.work.take() else { return Err(unavailable("there is no work folder yet")) };
        let folder = work.next().map_err(|reason| failed(JobError::new(JobErrorKind::Internal, reason)));
        let ended = folder.and_then(|folder| self.attempt(script, &folder, sink));
        work.clear();
        self.work = Some(work);
        ended
    }

    fn take_usage(&mut self) -> Option<JobUsage> {
        Some(self.children.end(std::mem::take(&mut self.peak)))
    }
}

/// True where the file system starts no programs.
fn is_noexec(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|data| data.flags().contains(FsFlags::ST_NOEXEC))
}

fn internal(error: &io::Error, folder: &Path) -> AttemptError {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return diagnosis::no_room(folder);
    }
    let message = format!("the script cannot be run in {}: {error}", folder.display());
    failed(JobError::new(JobErrorKind::Internal, message))
}

/// The error of a job for which there is no compiler.
fn unavailable(reason: &str) -> AttemptError {
    let error = JobError::new(JobErrorKind::EngineUnavailable, reason);
    AttemptError { error, retry: Retryability::Final }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_starts_no_programs_is_known() {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let proc =
            mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).rfind(|mount| mount[1] == "/proc");
        let noexec = proc.is_some_and(|mount| mount[3].split(',').any(|option| option == "noexec"));
        assert_eq!(is_noexec(Path::new("/proc")), noexec);
        assert!(!is_noexec(Path::new("/bin")));
    }
}
