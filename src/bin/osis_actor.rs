//! Runs OSIS jobs (Rhai and HeroScript), strictly one after another in the order of submission.

use std::process::ExitCode;

use hero_supervisor::ScriptType;
use hero_supervisor::actor::engines::osis::Osis;
use hero_supervisor::actor::program::{Concurrency, NoFlags, Program};

const PROGRAM: Program = Program {
    name: "osis_actor",
    about: "Runs OSIS jobs (Rhai and HeroScript), strictly one after another in the order of submission.",
    script_type: ScriptType::OSIS,
    concurrency: Concurrency::One,
};

fn main() -> ExitCode {
    hero_supervisor::app::actor::run(&PROGRAM, |_flags: &NoFlags, limits| Osis::new(limits))
}
