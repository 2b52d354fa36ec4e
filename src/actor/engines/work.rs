//! What scripts may start and use that run as processes: limits, environment, folder.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use clap::Args;

use crate::actor::engines::Script;
use crate::actor::program::parse_bytes;

/// Where programs are looked up by scripts.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many cores there are. To ask is to read the files of three cgroups, which is too much for each job.
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

    /// Folder in which each job gets one of its own, which goes with the job.
    #[arg(long, env = "HERO_WORK_DIR", value_name = "FOLDER")]
    pub work_dir: Option<PathBuf>,
}

impl WorkFlags {
    /// The same for the command line of an engine host.
    pub(super) fn host_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = [
            format!("--max-file={}", self.max_file),
            format!("--max-open-files={}", self.max_open_files),
            format!("--max-processes={}", self.max_processes),
        ]
        .into_iter()
        .map(OsString::from)
        .collect();
        let mut dir = OsString::from("--work-dir=");
        dir.push(self.base());
        args.push(dir);
        args
    }

    /// Where hosts make their folders.
    pub(super) fn base(&self) -> PathBuf {
        let base = self.work_dir.clone().unwrap_or_else(std::env::temp_dir);
        std::path::absolute(&base).unwrap_or(base)
    }

    /// The folder of this host.
    pub(super) fn folder(&self) -> PathBuf {
        folder_of(&self.base(), std::process::id())
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
        ];
        let all = defaults.into_iter().chain(script.env.iter().copied()).chain(ids);
        all.map(|(name, value)| (own(name), own(value))).collect()
    }
}

/// An empty folder for the next job of a host, with the next number that is free. What earlier jobs have put beside their
/// own is removed; what cannot be, a folder without rights for instance, costs no other job anything.
pub(super) fn fresh_folder(host: &Path, jobs: &mut u64) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(host)?;
    for left in fs::read_dir(host)?.flatten() {
        let is_folder = left.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_folder { fs::remove_dir_all(left.path()) } else { fs::remove_file(left.path()) };
        if let Err(error) = removed {
            tracing::warn!(%error, left = %left.path().display(), "what a job has left behind cannot be removed");
        }
    }
    loop {
        *jobs += 1;
        let folder = host.join(jobs.to_string());
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// The folder of the engine host with this process number.
pub(crate) fn folder_of(base: &Path, pid: u32) -> PathBuf {
    base.join(format!("hero-job-{pid}"))
}
