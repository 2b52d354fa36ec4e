//! A stand-in for V's compiler, which cannot be had here: it answers as the real ones do, and makes real programs that run shell
//! scripts. All around it is real.

mod cache;
mod failures;
mod jobs;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::V_ACTOR;
use crate::osis_actor::osis_program::{Actor, OsisProgram};

/// Puts the stand-in into this folder; answers with its path.
pub(crate) fn install(folder: &Path) -> PathBuf {
    fs::copy(launcher(), folder.join("launcher")).unwrap();
    let program = folder.join("v");
    fs::write(&program, include_str!("stand_in/v.sh")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// The program that its programs are made of, compiled once. A C compiler is here, since Rust links with it.
fn launcher() -> PathBuf {
    static MADE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let make = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/v_actor/stand_in/launcher.c");
        let half = folder.join(format!("launcher.{}", std::process::id()));
        let compiled = Command::new("cc").arg("-o").arg(&half).arg(source).output().unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let whole = folder.join("launcher");
        fs::rename(half, &whole).unwrap();
        whole
    };
    MADE.get_or_init(make).clone()
}

/// A stand-in and the folders of its actor.
pub(super) struct StandIn {
    pub(super) dir: TempDir,
}

impl StandIn {
    pub(super) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("stand-in").tempdir().unwrap();
        install(dir.path());
        Self { dir }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn actor(&self, rig: &OsisProgram) -> Actor {
        self.actor_with(rig, &[])
    }

    pub(super) fn actor_with(&self, rig: &OsisProgram, more: &[&str]) -> Actor {
        let path = |name: &str| self.path(name).display().to_string();
        let flags = [
            format!("--v-bin={}", path("v")),
            format!("--cache-dir={}", path("cache")),
            format!("--work-dir={}", path("work")),
            "--concurrency=1".to_owned(),
        ];
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        rig.start_actor(V_ACTOR, "v_actor_0", &flags)
    }

    pub(super) fn compilations(&self) -> usize {
        self.lines("compilations").len()
    }

    pub(super) fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The programs that were kept.
    pub(super) fn kept(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("cache")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
    }
}
