//! V scripts.
//!
//! A script is compiled, and the program is kept for the next job with the same script; then it runs in a process group,
//! a folder and an environment of its own and within resource limits. Its result is the JSON that it writes into the file
//! named by `HERO_RESULT_FILE`, or what it has printed. HeroScript is given to the `hero` program, if there is one.

mod cache;
mod compiler;
mod find;
mod flags;
mod judge;
mod run;

pub use flags::VFlags;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::prctl::set_child_subreaper;
use tokio::time::Instant;

use crate::actor::engines::output::Output;
use crate::actor::engines::work::WorkFolder;
use crate::actor::engines::{Engine, Limits, Script, Sink, failed, is_heroscript};
use crate::domain::job::{JobError, JobErrorKind, JobKind, JobResult};
use crate::ports::work_queue::AttemptError;
use compiler::Compiler;

/// What a ping runs.
const PING: &str = "println('pong')\n";

/// Runs V scripts.
#[derive(Debug)]
pub struct V {
    limits: Limits,
    flags: VFlags,
    compiler: Option<Compiler>,
    /// Where the folders of jobs are made.
    work: Option<WorkFolder>,
}

impl V {
    /// An engine that has looked for nothing yet.
    pub fn new(flags: &VFlags, limits: Limits) -> Self {
        Self { limits, flags: flags.clone(), compiler: None, work: None }
    }

    fn attempt(
        &self,
        script: &Script<'_>,
        folder: &Path,
        sink: &Arc<dyn Sink>,
    ) -> Result<JobResult, AttemptError> {
        let begun = Instant::now();
        let (text, heroscript) = match script.kind {
            JobKind::Ping => (PING, false),
            JobKind::Script => (script.text, is_heroscript(script.text)),
        };
        let (program, args) = if heroscript {
            self.hero(text, folder)?
        } else {
            let Some(compiler) = &self.compiler else { return Err(unavailable("V was not looked for")) };
            (compiler.program(text, folder, script.timeout, &self.flags)?, Vec::new())
        };
        let (work, result) = (folder.join("work"), folder.join("result"));
        let mut env = self.flags.work.environment(script, &work, Path::new(""));
        // A program has no constants of ours: it reads them where it reads everything else.
        env.insert("CALLER_ID".to_owned(), script.caller_id.to_owned());
        env.insert("CONTEXT_ID".to_owned(), script.context_id.to_owned());
        env.insert("HERO_RESULT_FILE".to_owned(), result.to_string_lossy().into_owned());
        let task = run::Task {
            program: &program,
            args,
            env,
            folder: &work,
            timeout: script.timeout.saturating_sub(begun.elapsed()),
        };
        let mut output = Output::new(&self.limits, sink);
        let ended = run::run(&task, &self.flags.work, &mut output).map_err(|error| internal(&error))?;
        judge::judge(&ended, script.timeout, &result, self.limits.result, &output)
    }

    /// The program for HeroScript, and what it is told.
    fn hero(&self, text: &str, folder: &Path) -> Result<(PathBuf, Vec<OsString>), AttemptError> {
        let hero = find::hero(&self.flags).map_err(|reason| unavailable(&reason))?;
        let file = folder.join("script.hero");
        fs::write(&file, text).map_err(|error| internal(&error))?;
        Ok((hero, vec!["run".into(), "-p".into(), file.into()]))
    }
}

impl Engine for V {
    const STARTS_PROCESSES: bool = true;
    const STOPS_SCRIPTS: bool = true;

    fn probe(&mut self) -> Result<String, String> {
        // What jobs leave behind becomes a child of this process, which finds it then.
        set_child_subreaper(true).map_err(|error| format!("cannot become a subreaper: {error}"))?;
        self.work = Some(self.flags.work.dir.open()?);
        let (program, version) = find::v(&self.flags)?;
        let shown = format!("{version} ({})", program.display());
        self.compiler = Some(Compiler::new(program, version, &self.flags)?);
        Ok(shown)
    }

    fn run(&mut self, script: &Script<'_>, sink: &Arc<dyn Sink>) -> Result<JobResult, AttemptError> {
        let Some(mut work) = self.work.take() else { return Err(unavailable("there is no work folder yet")) };
        let folder = work.next().map_err(|reason| failed(JobError::new(JobErrorKind::Internal, reason)));
        let ended = folder.and_then(|folder| {
            fs::create_dir(folder.join("work")).map_err(|error| internal(&error))?;
            self.attempt(script, &folder, sink)
        });
        work.clear();
        self.work = Some(work);
        ended
    }
}

fn internal(error: &io::Error) -> AttemptError {
    failed(JobError::new(JobErrorKind::Internal, format!("the script cannot be run: {error}")))
}

/// Nothing was tried, so no attempt is lost.
fn unavailable(reason: &str) -> AttemptError {
    let error = JobError::new(JobErrorKind::EngineUnavailable, reason);
    AttemptError { error, retryable: false, counts: false }
}
