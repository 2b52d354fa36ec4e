//! A clock of its own for one process: the time of day that it sees can be stepped, by no right and on no other process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The time of day of one process, beside the real one.
pub(crate) struct Clock {
    library: PathBuf,
    shift: PathBuf,
}

impl Clock {
    /// Builds the library in this folder, by the C compiler that Rust links with.
    pub(crate) fn new(folder: &Path) -> Self {
        let clock = Self { library: folder.join("shift.so"), shift: folder.join("shift") };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/clock/shift.c");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"])
            .arg(&clock.library)
            .arg(source)
            .arg("-ldl");
        assert!(compiler.status().unwrap().success(), "{compiler:?}");
        clock.step(0);
        clock
    }

    /// Lets a process that is started by this command see this clock.
    pub(crate) fn put_on(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("HERO_CLOCK", &self.shift);
    }

    /// From now on the process is these milliseconds ahead of the real time, or behind it.
    pub(crate) fn step(&self, millis: i64) {
        use std::io::Write;
        // In place: the process has the file in its memory.
        let mut file =
            fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.shift).unwrap();
        file.write_all(&millis.to_ne_bytes()).unwrap();
    }
}
