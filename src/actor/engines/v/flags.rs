//! Flags of the V actor.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;
use nix::unistd::geteuid;

use crate::actor::engines::work::WorkFlags;
use crate::actor::program::{EngineFlags, parse_bytes};

/// Flags of a V actor.
#[derive(Debug, Clone, Args)]
pub struct VFlags {
    /// V compiler [default: v in PATH].
    #[arg(long, env = "V_BIN", value_name = "FILE")]
    pub v_bin: Option<PathBuf>,

    /// Flag for the compiler, `--v-flag=-prod` for instance; can be repeated.
    #[arg(long, allow_hyphen_values = true, value_name = "FLAG")]
    pub v_flag: Vec<String>,

    /// Program that runs HeroScript [default: hero in PATH].
    #[arg(long, env = "HERO_BIN", value_name = "FILE")]
    pub hero_bin: Option<PathBuf>,

    /// Folder for compiled scripts; only this user may write there [default: in the work folder].
    #[arg(long, env = "HERO_V_CACHE_DIR", value_name = "FOLDER")]
    pub cache_dir: Option<PathBuf>,

    /// Size of all compiled scripts; those that were not used for longest go first.
    #[arg(long, default_value = "256MiB", value_parser = parse_bytes, value_name = "BYTES")]
    pub cache_size: u64,

    /// Search path of programs.
    #[arg(long, hide = true, env = "PATH", hide_env_values = true, default_value = "")]
    pub search_path: OsString,

    /// Limits of what scripts start.
    #[command(flatten)]
    pub work: WorkFlags,
}

impl VFlags {
    /// Returns the folder of compiled scripts.
    pub(super) fn cache(&self) -> PathBuf {
        let otherwise = || self.work.dir.base().join(format!("hero-v-cache-{}", geteuid()));
        let cache = self.cache_dir.clone().unwrap_or_else(otherwise);
        std::path::absolute(&cache).unwrap_or(cache)
    }
}

impl EngineFlags for VFlags {
    fn host_args(&self) -> Vec<OsString> {
        let flag = |name: &str, value: &OsStr| {
            let mut flag = OsString::from(name);
            flag.push(value);
            flag
        };
        let program = |name: &str, path: &Path| match path.components().count() {
            1 => flag(name, path.as_os_str()),
            _ => flag(name, std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).as_os_str()),
        };
        let mut args = vec![
            flag("--search-path=", &self.search_path),
            flag("--cache-dir=", self.cache().as_os_str()),
            format!("--cache-size={}", self.cache_size).into(),
        ];
        args.extend(self.v_bin.iter().map(|path| program("--v-bin=", path)));
        args.extend(self.hero_bin.iter().map(|path| program("--hero-bin=", path)));
        args.extend(self.v_flag.iter().map(|value| flag("--v-flag=", OsStr::new(value))));
        args.extend(self.work.host_args());
        args
    }

    fn work_dir(&self) -> Option<PathBuf> {
        Some(self.work.dir.base())
    }
}
