//! What a Python actor can be told.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use crate::actor::engines::sandbox::Sandbox;
use crate::actor::engines::work::WorkFlags;
use crate::actor::program::EngineFlags;

/// Flags of a Python actor.
#[derive(Debug, Clone, Args)]
pub struct PythonFlags {
    /// Python that runs the scripts, version 3.9 or later; that of a virtual environment brings its packages along.
    #[arg(long, env = "HERO_PYTHON_BIN", default_value = "python3", value_name = "FILE")]
    pub python_bin: PathBuf,

    /// Python file with handlers of HeroScript actions (`@heroscript.action("x.y")`), run once at the start.
    #[arg(long, value_name = "FILE")]
    pub handlers: Vec<PathBuf>,

    /// Confine scripts to their folder: landlock lets them read the system and write nowhere else.
    #[arg(long, value_enum, default_value_t = Sandbox::None, value_name = "HOW")]
    pub sandbox: Sandbox,

    /// One more file or folder that a confined script may read; can be repeated.
    #[arg(long, value_name = "PATH")]
    pub sandbox_read: Vec<PathBuf>,

    /// Limits of what scripts start.
    #[command(flatten)]
    pub work: WorkFlags,
}

impl PythonFlags {
    /// What a confined script may read beside the system: Python, with what is installed beside it, the handlers, and
    /// what was named.
    pub(super) fn readable(&self) -> Vec<PathBuf> {
        let own = [Some(self.python_bin.clone()), std::fs::canonicalize(&self.python_bin).ok()];
        let beside =
            own.into_iter().flatten().filter_map(|program| Some(program.parent()?.parent()?.to_owned()));
        // A program at the root of the file system has nothing beside it that is its own.
        let beside = beside.filter(|folder| folder.parent().is_some());
        let handlers = self.handlers.iter().filter_map(|file| file.parent()).map(Path::to_owned);
        beside.chain(handlers).chain(self.sandbox_read.iter().cloned()).collect()
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
        args.push(format!("--sandbox={}", self.sandbox.as_str()).into());
        args.extend(self.sandbox_read.iter().map(|path| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            flag("--sandbox-read=", path.as_os_str())
        }));
        args.extend(self.work.host_args());
        args
    }

    fn work_dir(&self) -> Option<PathBuf> {
        Some(self.work.base())
    }
}

/// The program behind a name or behind a wrapper that chooses among versions, which would cost time with each start.
/// None if it does not run; the host then says why.
fn real_program(program: &PathBuf) -> Option<PathBuf> {
    let output = Command::new(program)
        .args(["-I", "-S", "-c", "import sys; print(sys.executable)"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    (output.status.success() && path.is_absolute()).then_some(path)
}
