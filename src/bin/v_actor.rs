//! Runs V jobs: compiles them, keeps the programs, runs them.

use std::process::ExitCode;

use hero_supervisor::ScriptType;
use hero_supervisor::actor::engines::v::{V, VFlags};
use hero_supervisor::actor::program::{Concurrency, Program};

/// A compilation keeps a core busy.
const JOBS: usize = 2;

fn main() -> ExitCode {
    let program = Program {
        name: "v_actor",
        about: "Runs V jobs: each is compiled once, and runs in a process of its own.",
        script_type: ScriptType::V,
        concurrency: Concurrency::Several(JOBS),
    };
    hero_supervisor::app::actor::run(&program, |flags: &VFlags, limits| V::new(flags, limits))
}
