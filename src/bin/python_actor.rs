//! Runs Python jobs, each in a process of its own that is forked from one that has done the imports.

use std::process::ExitCode;

use hero_supervisor::ScriptType;
use hero_supervisor::actor::engines::python::{Python, PythonFlags};
use hero_supervisor::actor::program::{Concurrency, Program};

fn main() -> ExitCode {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let program = Program {
        name: "python_actor",
        about: "Runs Python jobs, several at a time, each in a process of its own.",
        script_type: ScriptType::Python,
        concurrency: Concurrency::Several(cores),
    };
    hero_supervisor::app::actor::run(&program, |flags: &PythonFlags, limits| Python::new(flags, limits))
}
