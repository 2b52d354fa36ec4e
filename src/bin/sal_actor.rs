//! Runs SAL jobs (Rhai with system functions), several at a time.

use std::process::ExitCode;

use hero_supervisor::ScriptType;
use hero_supervisor::actor::engines::sal::Sal;
use hero_supervisor::actor::program::{Concurrency, Program};
use hero_supervisor::app::actor::{run, script_redis};

fn main() -> ExitCode {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let program = Program {
        name: "sal_actor",
        about: "Runs SAL jobs (Rhai with system functions), several at a time.",
        script_type: ScriptType::SAL,
        concurrency: Concurrency::Several(cores * 2),
    };
    run(&program, |flags, limits| Sal::new(flags, limits, script_redis))
}
