//! The context that the functions of a script share: job, folder, environment, limits.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rhai::{Dynamic, EvalAltResult, Position};

use crate::actor::engines::rhai::session::{Session, timeout_token};
use crate::actor::engines::{Limits, Script};
use crate::actor::orphans::{PARENT_MARK, PROCESS_MARK};
use crate::lock::Lock;
use crate::ports::script_redis::ScriptRedis;

/// Default search path of commands.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Result of a function: a value, or a thrown error.
pub(super) type Called<T> = Result<T, Box<EvalAltResult>>;

/// The job that runs, and what it may do.
pub(super) struct Context {
    pub(super) session: Arc<Session>,
    pub(super) limits: Limits,
    /// Scripts may install and download.
    pub(super) installs: bool,
    /// The Redis of scripts.
    pub(super) redis: Option<Arc<dyn ScriptRedis>>,
    /// Folder of the host between jobs.
    outside: OnceLock<PathBuf>,
    env: Lock<Vec<(String, String)>>,
    spawned: AtomicBool,
    /// Highest peak of memory of a command of this job, in bytes.
    peak: AtomicU64,
}

impl Context {
    pub(super) fn new(
        session: &Arc<Session>,
        limits: Limits,
        installs: bool,
        redis: Option<Arc<dyn ScriptRedis>>,
    ) -> Self {
        Self {
            session: Arc::clone(session),
            limits,
            installs,
            redis,
            outside: OnceLock::new(),
            env: Lock::default(),
            spawned: AtomicBool::new(false),
            peak: AtomicU64::new(0),
        }
    }

    /// Remembers where the host is.
    pub(super) fn look_around(&self) -> Result<(), String> {
        let here = std::env::current_dir().map_err(|error| format!("the working folder: {error}"))?;
        drop(self.outside.set(here));
        Ok(())
    }

    /// Goes into the folder of a job, and takes its environment.
    pub(super) fn enter(&self, folder: &Path, script: &Script<'_>) -> std::io::Result<()> {
        std::env::set_current_dir(folder)?;
        self.set_env(folder, script);
        Ok(())
    }

    /// Takes the environment of a job.
    pub(super) fn set_env(&self, folder: &Path, script: &Script<'_>) {
        let home = folder.to_string_lossy();
        let ours = [("PATH", PATH), ("HOME", &home), ("TMPDIR", &home), ("LANG", "C.UTF-8")];
        let about = [
            ("HERO_JOB_ID", script.job_id),
            ("HERO_CALLER_ID", script.caller_id),
            ("HERO_CONTEXT_ID", script.context_id),
            ("HERO_ACTOR_ID", script.actor_id),
            (PROCESS_MARK, &PARENT_MARK),
        ];
        let all = ours.into_iter().chain(script.env.iter().copied()).chain(about);
        let all = all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        *self.env.lock() = all;
    }

    /// The environment of commands.
    pub(super) fn env(&self) -> Vec<(String, String)> {
        self.env.lock().clone()
    }

    /// Returns the search path of commands.
    pub(super) fn path(&self) -> String {
        let path = self.env().into_iter().rfind(|(name, _)| name == "PATH");
        path.map_or_else(|| PATH.to_owned(), |(_, path)| path)
    }

    /// Goes to another folder until the job ends.
    pub(super) fn move_to(&self, folder: &str) -> std::io::Result<()> {
        std::env::set_current_dir(folder)
    }

    /// A process is about to be started.
    pub(super) fn note_spawn(&self) {
        self.spawned.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_spawned(&self) -> bool {
        self.spawned.load(Ordering::Relaxed)
    }

    /// A command has ended that has needed so much memory.
    pub(super) fn note_peak(&self, bytes: u64) {
        self.peak.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Takes the highest peak of the commands of this job.
    pub(super) fn take_peak(&self) -> u64 {
        self.peak.swap(0, Ordering::Relaxed)
    }

    /// Undoes what a job has changed here.
    pub(super) fn leave(&self) {
        self.spawned.store(false, Ordering::Relaxed);
        self.env.lock().clear();
        // In its folder it would keep that from going.
        if let Some(outside) = self.outside.get()
            && let Err(error) = std::env::set_current_dir(outside)
        {
            tracing::warn!(%error, "work folder: cannot leave the folder of a job");
        }
    }

    /// Refuses what only the actor's owner can allow.
    pub(super) fn allow_install(&self) -> Called<()> {
        match self.installs {
            true => Ok(()),
            false => Err("disabled by policy: start sal_actor with --allow-install".into()),
        }
    }

    /// Makes the error that stops a script at its deadline; it cannot be caught.
    pub(super) fn over() -> Box<EvalAltResult> {
        EvalAltResult::ErrorTerminated(timeout_token(), Position::NONE).into()
    }
}

/// An error with what was being done.
pub(super) fn failed(what: &str, error: &dyn std::fmt::Display) -> Box<EvalAltResult> {
    let message: Dynamic = format!("{what}: {error}").into();
    EvalAltResult::ErrorRuntime(message, Position::NONE).into()
}

/// An answer whose error has a type, where nothing else says which.
pub(super) fn fine<T>(value: T) -> Called<T> {
    Ok(value)
}
