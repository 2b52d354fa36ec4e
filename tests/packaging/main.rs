//! What `make dist` has made, installed and run as strangers would: the package and the tarball on a clean Debian with systemd, the
//! images by their own entry points. `make dist-test` builds it all first; `docs/testing.md` says more.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "there is no runtime here")]

mod artefacts;
mod container;
mod debian;
mod image;
mod machine;
mod podman;
mod ran;
mod reproducible;
mod stranger;
mod tarball;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until nobody else packs: the scripts lay out what they pack in one folder.
fn packing() -> MutexGuard<'static, ()> {
    static PACKING: Mutex<()> = Mutex::new(());
    PACKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Folder of the project.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Folder of what is handed out; `HERO_DIST` names another one.
fn dist() -> PathBuf {
    std::env::var_os("HERO_DIST").map_or_else(|| root().join("dist"), PathBuf::from)
}

/// The one file of `dist` whose name begins and ends so.
fn artefact(start: &str, end: &str) -> PathBuf {
    let files = std::fs::read_dir(dist()).expect("there is no dist: make dist");
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> =
        names.filter(|name| name.starts_with(start) && name.ends_with(end)).collect();
    assert_eq!(found.len(), 1, "{start}…{end}: {found:?}; make dist");
    dist().join(found.remove(0))
}

/// The package for Debian.
fn package() -> PathBuf {
    artefact("hero-supervisor_", ".deb")
}
