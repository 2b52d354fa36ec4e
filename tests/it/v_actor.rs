//! The real v_actor on a real Redis: without V, with a stand-in for V, and with V where that is asked for.

mod real;
pub(crate) mod stand_in;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use hero_supervisor::domain::model::job::{JobErrorKind, JobResult, JobSpec, Outcome};
use hero_supervisor::domain::model::script_type::ScriptType;

use crate::osis_actor::osis_program::OsisProgram;

const V_ACTOR: &str = env!("CARGO_BIN_EXE_v_actor");

fn job(text: &str) -> JobSpec {
    JobSpec::new(ScriptType::V, text)
}

async fn result(rig: &OsisProgram, text: &str) -> JobResult {
    match rig.end_of(job(text)).await.outcome {
        Outcome::Succeeded(result) => result,
        other @ (Outcome::Failed(_) | Outcome::Cancelled(_)) => panic!("{text}: {other:?}"),
    }
}

#[test]
fn without_v_the_health_check_fails_and_says_where_it_looked() {
    // A variable that is set to nothing is as good as none.
    for unset in [None, Some("")] {
        let mut command = Command::new(V_ACTOR);
        command.arg("--health-check").env_remove("V_BIN").env("PATH", "/nowhere:/elsewhere");
        if let Some(nothing) = unset {
            command.env("V_BIN", nothing).env("HERO_BIN", nothing).env("HERO_WORK_DIR", nothing);
        }
        let ran = command.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{said}");
        for part in ["there is no V compiler", "none of the 2 folders of PATH", "--v-bin"] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}

#[tokio::test]
async fn without_v_jobs_fail_at_once_and_the_actor_stays() {
    let rig = OsisProgram::start().await;
    let _actor = rig.start_actor(V_ACTOR, "v_actor_0", &["--v-bin=/nowhere/v"]);
    for _ in 0..2 {
        let error = rig.error(job("println(42)")).await;
        assert_eq!(error.kind, JobErrorKind::EngineUnavailable, "{error:?}");
        assert!(error.message.contains("/nowhere/v"), "{error:?}");
    }
}

#[tokio::test]
async fn heroscript_needs_no_v_and_its_lack_is_told_by_its_name() {
    let (rig, folder) = (OsisProgram::start().await, tempfile::tempdir().unwrap());
    let hero = folder.path().join("hero");
    let shown = hero.display().to_string();
    let hero_flag = format!("--hero-bin={shown}");
    let flags = ["--v-bin=/nowhere/v", &hero_flag, "--concurrency=1"];
    let _actor = rig.start_actor(V_ACTOR, "v_actor_0", &flags);
    let text = "\u{feff}!!play.echo content:'x'";
    let error = rig.error(job(text)).await;
    assert_eq!(error.kind, JobErrorKind::EngineUnavailable, "{error:?}");
    assert!(error.message.contains(&shown) && !error.message.contains("V compiler"), "{error:?}");
    fs::write(&hero, "#!/bin/sh\necho \"$1 $2\"\ncat \"$3\"\n").unwrap();
    fs::set_permissions(&hero, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(result(&rig, text).await.text, "run -p\n!!play.echo content:'x'");
}

#[tokio::test]
async fn another_program_called_v_is_not_taken_for_v() {
    let rig = OsisProgram::start().await;
    let _actor = rig.start_actor(V_ACTOR, "v_actor_0", &["--v-bin=/bin/echo"]);
    let error = rig.error(job("println(42)")).await;
    assert_eq!(error.kind, JobErrorKind::EngineUnavailable, "{error:?}");
    assert!(error.message.contains("which is not V"), "{error:?}");
}
