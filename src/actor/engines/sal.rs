//! SAL scripts: Rhai with functions for files, commands, processes and texts.
//!
//! The functions have the names and the arguments of the crates `sal-os`, `sal-process` and `sal-text`, and are written
//! anew: commands go through a shell and into the log of their job, end with its deadline, and leave nothing behind
//! (neither processes nor a changed folder); what installs or downloads is off unless the actor's owner allows it. The list is
//! `docs/sal.md`, which is made from what is registered here.

mod command;
mod context;
mod files;
mod find;
mod network;
mod packages;
mod platform;
mod processes;
mod redis_calls;
mod registry;
mod secret;
mod text;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use nix::sys::prctl::set_child_subreaper;

use crate::actor::engines::rhai::Rhai;
use crate::actor::engines::work::{WorkDir, WorkFolder};
use crate::actor::engines::{Engine, Limits, Script, Sink, failed};
use crate::actor::meter::ChildrenMeter;
use crate::actor::process_tree;
use crate::actor::program::EngineFlags;
use crate::domain::model::job::{JobError, JobErrorKind, JobResult, JobUsage};
use crate::ports::script_redis::ScriptRedis;
use crate::ports::work_queue::AttemptError;
use context::Context;
use registry::Registry;
use secret::{SCRIPT_REDIS_FD, SCRIPT_REDIS_URL};

/// Runs SAL scripts.
pub struct Sal {
    rhai: Rhai,
    context: Arc<Context>,
    reference: String,
    dir: WorkDir,
    /// Parent of the folders of jobs.
    work: Option<WorkFolder>,
    children: ChildrenMeter,
    /// Resources that the commands of the last job have used.
    usage: Option<JobUsage>,
}

/// Flags of the SAL actor.
#[derive(Debug, Clone, Default, Args)]
pub struct SalFlags {
    /// Lets scripts install, remove and download programs, and end processes that they have not started.
    #[arg(long)]
    pub allow_install: bool,

    /// The Redis that scripts may use (`redis_get` and its like); none unless said. It is theirs, password included: give
    /// them another one than that of the jobs, or a user of their own.
    #[arg(long, env = SCRIPT_REDIS_URL, hide_env_values = true, value_name = "URL")]
    pub script_redis_url: Option<String>,

    /// The same, for an engine host.
    #[arg(long = SCRIPT_REDIS_FD, hide = true)]
    pub script_redis_fd: Option<i32>,

    /// Options for the folders of jobs.
    #[command(flatten)]
    pub dir: WorkDir,
}

impl EngineFlags for SalFlags {
    fn host_args(&self) -> Vec<OsString> {
        self.allow_install
            .then(|| "--allow-install".into())
            .into_iter()
            .chain([self.dir.host_arg()])
            .collect()
    }

    fn work_dir(&self) -> Option<PathBuf> {
        Some(self.dir.base())
    }

    fn prepare_host(&mut self) -> io::Result<()> {
        match self.script_redis_fd.take() {
            Some(descriptor) => self.script_redis_url = Some(secret::read(descriptor)?),
            None => self.script_redis_url.as_deref().map_or(Ok(()), secret::hide)?,
        }
        Ok(())
    }

    fn host_env(&self) -> Vec<(&'static str, String)> {
        self.script_redis_url.iter().map(|url| (SCRIPT_REDIS_URL, url.clone())).collect()
    }
}

impl Sal {
    /// Loads the functions; `open` makes the Redis of scripts of its URL, if there is one.
    pub fn new(flags: &SalFlags, limits: Limits, open: fn(&str) -> Arc<dyn ScriptRedis>) -> Self {
        let redis = flags.script_redis_url.as_deref().map(open);
        let (rhai, (context, reference)) = Rhai::with(limits, |session| {
            let context = Arc::new(Context::new(session, limits, flags.allow_install, redis));
            let registry = write(&context);
            let reference = registry.reference();
            (registry.module(), (context, reference))
        });
        Self {
            rhai,
            context,
            reference,
            dir: flags.dir.clone(),
            work: None,
            children: ChildrenMeter::default(),
            usage: None,
        }
    }

    /// Every function with its signature and what it does, as a page in Markdown.
    pub fn reference(&self) -> &str {
        &self.reference
    }
}

fn write(context: &Arc<Context>) -> Registry {
    let mut registry = Registry::default();
    command::write(&mut registry, context);
    processes::write(&mut registry, context);
    files::write(&mut registry, context);
    find::write(&mut registry);
    text::write(&mut registry);
    network::write(&mut registry, context);
    redis_calls::write(&mut registry, context);
    platform::write(&mut registry);
    packages::write(&mut registry, context);
    registry
}

impl Engine for Sal {
    const STARTS_PROCESSES: bool = true;

    fn probe(&mut self) -> Result<String, String> {
        // What a script's command leaves behind comes to this process, which ends it.
        set_child_subreaper(true).map_err(|error| format!("cannot become the parent of orphans: {error}"))?;
        self.context.look_around()?;
        self.work = Some(self.dir.open()?);
        self.rhai.probe().map(|version| format!("sal on {version}"))
    }

    fn run(&mut self, script: &Script<'_>, sink: &Arc<dyn Sink>) -> Result<JobResult, AttemptError> {
        let unready =
            || failed(JobError::new(JobErrorKind::EngineUnavailable, "there is no work folder yet"));
        let work = self.work.as_mut().ok_or_else(unready)?;
        let folder = work.next().and_then(|folder| {
            let entered = self.context.enter(&folder, script);
            entered.map_err(|error| format!("cannot enter {}: {error}", folder.display()))
        });
        folder.map_err(|reason| failed(JobError::new(JobErrorKind::Internal, reason)))?;
        let ended = self.rhai.run(script, sink);
        if self.context.has_spawned() {
            if !process_tree::sweep(|_all| true) {
                tracing::warn!("orphans: processes that a script has left behind do not end");
            }
            self.usage = Some(self.children.end(self.context.take_peak()));
        }
        self.context.leave();
        work.clear();
        ended
    }

    fn take_usage(&mut self) -> Option<JobUsage> {
        self.usage.take()
    }
}

#[cfg(test)]
mod tests;
