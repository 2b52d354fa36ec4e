//! Jobs and their results.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, JobResult, JobSpec, ResultKind};

use super::{StandIn, install};
use crate::engines::is_alive;
use crate::osis_actor::osis_program::OsisProgram;
use crate::v_actor::{V_ACTOR, job, result};

#[tokio::test]
async fn a_v_that_is_installed_later_is_found() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let (v, away) = (stand_in.path("v"), stand_in.path("away"));
    fs::rename(&v, &away).unwrap();
    let _actor = stand_in.actor(&rig);
    assert_eq!(rig.error(job("echo seen")).await.kind, JobErrorKind::EngineUnavailable);
    fs::rename(&away, &v).unwrap();
    assert_eq!(result(&rig, "echo seen").await.text, "seen");
    fs::rename(&v, &away).unwrap();
    assert_eq!(rig.error(job("echo other")).await.kind, JobErrorKind::EngineUnavailable);
}

#[tokio::test]
async fn a_script_is_compiled_once_and_its_result_is_what_it_writes_or_prints() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    for _ in 0..3 {
        let printed = result(&rig, "echo seen; pwd >&2").await;
        assert_eq!(printed, JobResult { text: "seen".to_owned(), kind: ResultKind::None });
    }
    assert_eq!(stand_in.compilations(), 1);
    for (written, text, kind) in [
        (r#"{"answer": 42}"#, r#"{"answer":42}"#, ResultKind::Json),
        ("123456789012345678901234567890", "123456789012345678901234567890", ResultKind::Json),
        (r#""grüße""#, "grüße", ResultKind::Text),
        ("null", "printed", ResultKind::None),
    ] {
        let script = format!("echo printed\necho '{written}' > \"$HERO_RESULT_FILE\"");
        assert_eq!(result(&rig, &script).await, JobResult { text: text.to_owned(), kind });
    }
    assert_eq!(stand_in.compilations(), 5);
    // What V keeps of its own library serves all scripts; modules lie in the folder of the job, which is emptied for the next one.
    let environments = stand_in.lines("environments");
    let (modules, caches): (Vec<&str>, Vec<&str>) =
        environments.iter().map(|line| line.split_once(' ').unwrap()).unzip();
    let objects = stand_in.path("cache").join("objects").display().to_string();
    assert!(caches.iter().all(|cache| *cache == objects), "{environments:?}");
    assert!(modules.iter().all(|folder| !objects.starts_with(folder)), "{environments:?}");
}

#[tokio::test]
async fn what_a_program_has_printed_is_there_when_it_is_ended() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    let spec = JobSpec { run_timeout: Duration::from_secs(4), ..job("echo progress 1\nexec sleep 600") };
    let error = rig.error(spec).await;
    assert_eq!(error.kind, JobErrorKind::RunTimeout, "{error:?}");
    assert_eq!(error.log_tail, ["progress 1"]);
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    let pid_file: PathBuf = stand_in.path("pid");
    let text = "sleep 600 &\necho $! > \"$PID_FILE\"\nwait";
    let mut spec = JobSpec { run_timeout: Duration::from_secs(6), ..job(text) };
    spec.env.insert("PID_FILE".to_owned(), pid_file.display().to_string());
    let error = rig.error(spec).await;
    assert_eq!(error.kind, JobErrorKind::RunTimeout, "{error:?}");
    let pid: i32 = fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
    assert!(!is_alive(pid), "{pid} has survived its job");
    assert_eq!(result(&rig, "echo next").await.text, "next");
}

#[test]
fn the_health_check_compiles_and_runs_a_script() {
    let folder = tempfile::tempdir().unwrap();
    let v = install(folder.path());
    let cache = format!("--cache-dir={}", folder.path().join("cache").display());
    let ran = Command::new(V_ACTOR).args(["--health-check", &cache]).env("V_BIN", v).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("V 0.4.11"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

/// Files of variables write them so.
#[test]
fn a_variable_that_is_set_to_nothing_is_as_if_it_were_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let v = install(folder.path());
    let search_path = format!("{}:{}", v.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut actor = Command::new(V_ACTOR);
    for empty in ["V_BIN", "HERO_BIN", "HERO_V_CACHE_DIR", "HERO_LEASE", "REDIS_URL"] {
        actor.env(empty, "");
    }
    let ran =
        actor.arg("--health-check").env("PATH", search_path).env("HERO_WORK_DIR", folder.path()).output();
    let ran = ran.unwrap();
    assert!(
        ran.status.success(),
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
}
