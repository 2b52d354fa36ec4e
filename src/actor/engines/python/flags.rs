//! Flags of the Python actor.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};

use crate::actor::engines::sandbox::Sandbox;
use crate::actor::engines::work::WorkFlags;
use crate::actor::program::{EngineFlags, parse_bytes};

/// Processes in which scripts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Isolation {
    /// A process for each job.
    Job,
    /// A process for all jobs of an engine host, one after another.
    Host,
}

impl Isolation {
    /// The word of the command line.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Host => "host",
        }
    }
}

/// Flags of a Python actor.
#[derive(Debug, Clone, Args)]
pub struct PythonFlags {
    /// Python that runs the scripts, version 3.9 or later; that of a virtual environment brings its packages along.
    #[arg(long, env = "HERO_PYTHON_BIN", default_value = "python3", value_name = "FILE")]
    pub python_bin: PathBuf,

    /// Python file with handlers of HeroScript actions (`@heroscript.action("x.y")`), run once at the start.
    #[arg(long, value_name = "FILE")]
    pub handlers: Vec<PathBuf>,

    /// Process in which a script runs: `job` for one of its own, `host` for one that all jobs of an engine host share, one
    /// after another. The latter is faster and for scripts that trust each other.
    #[arg(long, env = "HERO_ISOLATION", value_enum, default_value_t = Isolation::Job, value_name = "WHAT")]
    pub isolation: Isolation,

    /// Jobs after which a shared process is replaced by a fresh one (--isolation host).
    #[arg(long, env = "HERO_RECYCLE_JOBS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub recycle_jobs: u64,

    /// Memory that jobs may leave behind in a shared process before it is replaced by a fresh one (--isolation host).
    #[arg(long, env = "HERO_RECYCLE_MEMORY", default_value = "256MiB", value_parser = parse_bytes, value_name = "BYTES")]
    pub recycle_memory: u64,

    /// Confine scripts to their folder: landlock lets them read the system, write nowhere else, and reach no network.
    #[arg(long, value_enum, default_value_t = Sandbox::None, value_name = "HOW")]
    pub sandbox: Sandbox,

    /// One more file or folder that a confined script may read; can be repeated.
    #[arg(long, value_name = "PATH")]
    pub sandbox_read: Vec<PathBuf>,

    /// Lets confined scripts reach the network: whoever can talk to the supervisor, to Redis or to Zinit is outside.
    #[arg(long)]
    pub sandbox_net: bool,

    /// Limits of what scripts start.
    #[command(flatten)]
    pub work: WorkFlags,
}

impl PythonFlags {
    /// Returns what a confined script may read beside the system: the folders of the handlers, and those that were
    /// named.
    pub(super) fn readable(&self) -> Vec<PathBuf> {
        let handlers = self.handlers.iter().filter_map(|file| file.parent()).map(Path::to_owned);
        handlers.chain(self.sandbox_read.iter().cloned()).collect()
    }

    /// Returns the folders that Python itself reads, as it reports them; a host gets them by `--sandbox-read`.
    fn own_folders(&self) -> Vec<PathBuf> {
        match self.sandbox {
            Sandbox::None => Vec::new(),
            Sandbox::Landlock => said_by(&self.python_bin, &["-I"], OWN_FOLDERS)
                .map(|said| said.lines().map(PathBuf::from).filter(|path| path.exists()).collect())
                .unwrap_or_default(),
        }
    }
}

impl EngineFlags for PythonFlags {
    fn host_args(&self) -> Vec<OsString> {
        let flag = |name: &str, value: &OsStr| {
            let mut flag = OsString::from(name);
            flag.push(value);
            flag
        };
        let handlers = self.handlers.iter().map(|path| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            flag("--handlers=", path.as_os_str())
        });
        let python = real_program(&self.python_bin).unwrap_or_else(|| self.python_bin.clone());
        let mut args = vec![flag("--python-bin=", python.as_os_str())];
        args.extend(handlers);
        args.push(format!("--isolation={}", self.isolation.as_str()).into());
        args.push(format!("--recycle-jobs={}", self.recycle_jobs).into());
        args.push(format!("--recycle-memory={}", self.recycle_memory).into());
        args.push(format!("--sandbox={}", self.sandbox.as_str()).into());
        args.extend(self.sandbox_net.then(|| OsString::from("--sandbox-net")));
        args.extend(self.sandbox_read.iter().cloned().chain(self.own_folders()).map(|path| {
            let path = std::path::absolute(&path).unwrap_or(path);
            flag("--sandbox-read=", path.as_os_str())
        }));
        args.extend(self.work.host_args());
        args
    }

    fn work_dir(&self) -> Option<PathBuf> {
        Some(self.work.dir.base())
    }
}

/// The program behind a name or behind a wrapper that chooses among versions, which would cost time with each start.
/// None if it does not run; the host then says why.
fn real_program(program: &Path) -> Option<PathBuf> {
    let path = PathBuf::from(said_by(program, &["-I", "-S"], "import sys; print(sys.executable)")?.trim());
    path.is_absolute().then_some(path)
}

/// The folders of the program and its libraries, and those where it looks for packages. The program is named by itself,
/// since what is beside it may be anybody's.
const OWN_FOLDERS: &str = "import os, sys, sysconfig\n\
    found = {os.path.realpath(sys.executable), sys.executable, sysconfig.get_path('stdlib'), \
    sysconfig.get_path('platstdlib'), os.path.join(sys.prefix, 'pyvenv.cfg'), *sys.path}\n\
    libraries = sysconfig.get_config_var('LIBDIR')\n\
    if libraries and sysconfig.get_config_var('Py_ENABLE_SHARED'): found.add(libraries)\n\
    print(*sorted(path for path in found if path and os.path.isabs(path) and os.path.exists(path)), sep='\\n')";

/// Runs a text with a Python and returns the output.
fn said_by(program: &Path, flags: &[&str], text: &str) -> Option<String> {
    let output = Command::new(program)
        .args(flags)
        .args(["-c", text])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(said)
}
