//! What a Python actor can be told.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;

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

    /// Limits of what scripts start.
    #[command(flatten)]
    pub work: WorkFlags,
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
