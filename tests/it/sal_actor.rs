//! The real sal_actor on a real Redis: what its functions do, side by side, and what is left of them afterwards.

mod functions;
mod leftovers;
mod side_by_side;

use hero_supervisor::domain::model::job::{JobError, JobSpec, Outcome};
use hero_supervisor::domain::model::script_type::ScriptType;

use crate::osis_actor::osis_program::OsisProgram;

fn script(text: &str) -> JobSpec {
    JobSpec::new(ScriptType::SAL, text)
}

async fn text(rig: &OsisProgram, source: &str) -> String {
    match rig.end_of(script(source)).await.outcome {
        Outcome::Succeeded(result) => result.text,
        other @ (Outcome::Failed(_) | Outcome::Cancelled(_)) => panic!("{source}: {other:?}"),
    }
}

async fn error(rig: &OsisProgram, spec: JobSpec) -> JobError {
    match rig.end_of(spec).await.outcome {
        Outcome::Failed(error) => error,
        other @ (Outcome::Succeeded(_) | Outcome::Cancelled(_)) => panic!("{other:?}"),
    }
}
