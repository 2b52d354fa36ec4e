//! Limits, environment and folder of scripts that run as processes.

mod directory;
mod folder;

pub(crate) use folder::{WorkFolder, remove_own, sweep, trusted};

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use clap::Args;

use crate::actor::engines::Script;
use crate::actor::orphans::{PARENT_MARK, PROCESS_MARK};
use crate::actor::program::parse_bytes;

/// Default search path of programs for scripts.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Number of processors. Reading it anew would open the files of three cgroups, which is too much for each job.
static CORES: LazyLock<u64> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64));

/// Limits of what a script starts.
#[derive(Debug, Clone, Args)]
pub struct WorkFlags {
    /// Largest file that a script may write.
    #[arg(long, default_value = "1GiB", value_parser = parse_bytes, value_name = "BYTES")]
    pub max_file: u64,

    /// Files that each process of a script may have open.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(16..), value_name = "N")]
    pub max_open_files: u64,

    /// Processes that a script may have at a time; with more of them it is ended.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    pub max_processes: u16,

    /// Options for the folders of jobs.
    #[command(flatten)]
    pub dir: WorkDir,
}

/// Options for the folders of jobs.
#[derive(Debug, Clone, Default, Args)]
pub struct WorkDir {
    /// Folder in which each job gets one of its own, which is emptied after the job; nobody but its owner, root or this user, may
    /// write there, unless it is sticky like /tmp [default: TMPDIR, or /tmp].
    #[arg(long, env = "HERO_WORK_DIR", value_name = "FOLDER")]
    pub work_dir: Option<PathBuf>,
}

impl WorkDir {
    /// The same for the command line of an engine host.
    pub(super) fn host_arg(&self) -> OsString {
        let mut dir = OsString::from("--work-dir=");
        dir.push(self.base());
        dir
    }

    /// Returns the folder in which hosts make theirs.
    pub(super) fn base(&self) -> PathBuf {
        let named = self.work_dir.clone().filter(|dir| !dir.as_os_str().is_empty());
        let base = named.unwrap_or_else(std::env::temp_dir);
        std::path::absolute(&base).unwrap_or(base)
    }

    /// Makes the folder of this host.
    ///
    /// # Errors
    /// Says why there is none, and what to do about it.
    pub(super) fn open(&self) -> Result<WorkFolder, String> {
        WorkFolder::open(&self.base()).map_err(|reason| format!("{reason} (--work-dir)"))
    }
}

impl WorkFlags {
    /// The same for the command line of an engine host.
    pub(super) fn host_args(&self) -> Vec<OsString> {
        let args = [
            format!("--max-file={}", self.max_file),
            format!("--max-open-files={}", self.max_open_files),
            format!("--max-processes={}", self.max_processes),
        ];
        args.into_iter().map(OsString::from).chain([self.dir.host_arg()]).collect()
    }

    /// CPU time of one process of a script: as much as fits into its timeout, on all cores.
    pub(super) fn cpu_seconds(&self, timeout: Duration) -> u64 {
        const SPARE: u64 = 5;
        (timeout.as_secs() + SPARE).saturating_mul(*CORES)
    }

    /// The environment of a script; what the job says wins over our defaults, and nothing wins over the ids.
    pub(super) fn environment(
        &self,
        script: &Script<'_>,
        folder: &Path,
        programs: &Path,
    ) -> BTreeMap<String, String> {
        let own = |text: &str| text.to_owned();
        let folder = folder.to_string_lossy();
        let path = match programs.to_str() {
            Some(programs) if programs.starts_with('/') => format!("{programs}:{PATH}"),
            Some(_) | None => own(PATH),
        };
        let defaults = [("PATH", path.as_str()), ("HOME", &folder), ("TMPDIR", &folder), ("LANG", "C.UTF-8")];
        let ids = [
            ("HERO_JOB_ID", script.job_id),
            ("HERO_CALLER_ID", script.caller_id),
            ("HERO_CONTEXT_ID", script.context_id),
            ("HERO_ACTOR_ID", script.actor_id),
            (PROCESS_MARK, &PARENT_MARK),
        ];
        let all = defaults.into_iter().chain(script.env.iter().copied()).chain(ids);
        all.map(|(name, value)| (own(name), own(value))).collect()
    }
}
