//! The real python_actor on a real Redis: what is Python's alone.

mod ends;
mod folders;
mod leftovers;
mod sandbox;
mod servers;
mod shared;
mod shared_ends;
mod spare;
mod stopping;

use hero_supervisor::domain::model::job::{JobSpec, Outcome};
use hero_supervisor::domain::model::script_type::ScriptType;

use crate::osis_actor::osis_program::OsisProgram;

const PYTHON_ACTOR: &str = env!("CARGO_BIN_EXE_python_actor");

async fn run(rig: &OsisProgram, script: &str) -> String {
    match rig.end_of(JobSpec::new(ScriptType::Python, script)).await.outcome {
        Outcome::Succeeded(result) => result.text,
        other @ (Outcome::Failed(_) | Outcome::Cancelled(_)) => panic!("{script}: {other:?}"),
    }
}
