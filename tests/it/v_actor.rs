//! The real v_actor on a real Redis: without V, with a stand-in for V that shows the plumbing, and with V where there is one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use hero_supervisor::domain::job::{JobErrorKind, JobResult, JobSpec, Outcome, ResultKind};
use hero_supervisor::domain::script_type::ScriptType;
use tempfile::TempDir;

use crate::engines::is_alive;
use crate::osis_actor::rig::{Actor, Rig};

const V_ACTOR: &str = env!("CARGO_BIN_EXE_v_actor");

/// Answers like V, and "compiles" shell programs by copying them.
pub(crate) const STAND_IN: &str = r##"#!/bin/sh
[ "$1" = version ] && { echo "V 0.0.0 stand-in"; exit 0; }
echo "$3" >> "$(dirname "$0")/compilations"
if grep -q SYNTAX "$3"; then
    printf 'main.v:2:5: error: unexpected SYNTAX\n    1 | x\n' >&2
    exit 1
fi
{ echo "#!/bin/sh"; cat "$3"; } > "$2" && chmod +x "$2"
"##;

fn job(text: &str) -> JobSpec {
    JobSpec::new(ScriptType::V, text)
}

/// A stand-in and the folders of its actor.
struct StandIn {
    dir: TempDir,
}

impl StandIn {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("stand-in").tempdir().unwrap();
        let program = dir.path().join("v");
        fs::write(&program, STAND_IN).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    fn actor(&self, rig: &Rig) -> Actor {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let flags = [
            format!("--v-bin={}", path("v")),
            format!("--cache-dir={}", path("cache")),
            format!("--work-dir={}", path("work")),
        ];
        rig.start_actor(V_ACTOR, "v_actor_0", &flags.each_ref().map(String::as_str))
    }

    fn compilations(&self) -> usize {
        fs::read_to_string(self.dir.path().join("compilations")).unwrap_or_default().lines().count()
    }
}

async fn result(rig: &Rig, text: &str) -> JobResult {
    match rig.end_of(job(text)).await.outcome {
        Outcome::Succeeded(result) => result,
        other @ (Outcome::Failed(_) | Outcome::Cancelled(_)) => panic!("{text}: {other:?}"),
    }
}

#[test]
fn without_v_the_health_check_fails_and_says_where_it_looked() {
    let ran = Command::new(V_ACTOR)
        .arg("--health-check")
        .env_remove("V_BIN")
        .env("PATH", "/nowhere:/elsewhere")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    for part in ["there is no V compiler", "/nowhere:/elsewhere", "--v-bin"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[tokio::test]
async fn without_v_jobs_fail_at_once_and_the_actor_stays() {
    let rig = Rig::start().await;
    let _actor = rig.start_actor(V_ACTOR, "v_actor_0", &["--v-bin=/nowhere/v"]);
    for _ in 0..2 {
        let error = rig.error(job("println(42)")).await;
        assert_eq!(error.kind, JobErrorKind::EngineUnavailable, "{error:?}");
        assert!(error.message.contains("/nowhere/v"), "{error:?}");
    }
}

#[tokio::test]
async fn another_program_called_v_is_not_taken_for_v() {
    let rig = Rig::start().await;
    let _actor = rig.start_actor(V_ACTOR, "v_actor_0", &["--v-bin=/bin/echo"]);
    let error = rig.error(job("println(42)")).await;
    assert_eq!(error.kind, JobErrorKind::EngineUnavailable, "{error:?}");
    assert!(error.message.contains("which is not V"), "{error:?}");
}

#[tokio::test]
async fn a_stand_in_for_v_shows_that_a_script_is_compiled_once_and_what_its_result_is() {
    let (rig, stand_in) = (Rig::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    for _ in 0..3 {
        let printed = result(&rig, "#!/bin/sh\necho seen; pwd >&2").await;
        assert_eq!(printed, JobResult { text: "seen".to_owned(), kind: ResultKind::None });
    }
    assert_eq!(stand_in.compilations(), 1);
    for (written, text, kind) in [
        (r#"{"answer": 42}"#, r#"{"answer":42}"#, ResultKind::Json),
        (r#""grüße""#, "grüße", ResultKind::Text),
        ("null", "printed", ResultKind::None),
    ] {
        let script = format!("#!/bin/sh\necho printed\necho '{written}' > \"$HERO_RESULT_FILE\"");
        assert_eq!(result(&rig, &script).await, JobResult { text: text.to_owned(), kind });
    }
    assert_eq!(stand_in.compilations(), 4);
}

#[tokio::test]
async fn a_stand_in_for_v_shows_how_scripts_fail() {
    let (rig, stand_in) = (Rig::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    let error = rig.error(job("x\ny = SYNTAX")).await;
    assert_eq!(error.kind, JobErrorKind::ScriptInvalid, "{error:?}");
    assert_eq!((error.line, error.column), (Some(2), Some(5)), "{error:?}");
    assert_eq!(error.message, "unexpected SYNTAX");
    let error = rig.error(job("#!/bin/sh\necho last words >&2; exit 7")).await;
    assert_eq!((error.kind, error.exit_code), (JobErrorKind::ScriptError, Some(7)), "{error:?}");
    assert_eq!(error.log_tail, ["last words"]);
    let error = rig.error(job("#!/bin/sh\necho no json > \"$HERO_RESULT_FILE\"")).await;
    assert_eq!(error.kind, JobErrorKind::ScriptError, "{error:?}");
    let error = rig.error(job("#!/bin/sh\nkill -SEGV $$")).await;
    assert_eq!(error.kind, JobErrorKind::EngineCrash, "{error:?}");
    let mut hero = job("!!play.echo content:'x'");
    hero.env.clear();
    let error = rig.error(hero).await;
    if error.kind == JobErrorKind::EngineUnavailable {
        assert!(error.message.contains("--hero-bin"), "{error:?}");
    }
}

#[tokio::test]
async fn a_stand_in_for_v_shows_that_a_timeout_ends_the_whole_group() {
    let (rig, stand_in) = (Rig::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    let pid_file: PathBuf = stand_in.dir.path().join("pid");
    let text = "#!/bin/sh\nsleep 600 &\necho $! > \"$PID_FILE\"\nwait";
    let mut spec = JobSpec { run_timeout: Duration::from_secs(6), ..job(text) };
    spec.env.insert("PID_FILE".to_owned(), pid_file.display().to_string());
    let error = rig.error(spec).await;
    assert_eq!(error.kind, JobErrorKind::RunTimeout, "{error:?}");
    let pid: i32 = fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
    assert!(!is_alive(pid), "{pid} has survived its job");
    assert_eq!(result(&rig, "#!/bin/sh\necho next").await.text, "next");
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what was not tested is said aloud")]
async fn the_real_v_compiles_and_runs_scripts() {
    let version = Command::new("v").arg("version").output();
    if !version.is_ok_and(|output| output.stdout.starts_with(b"V ")) {
        println!("SKIPPED: there is no V compiler in PATH");
        return;
    }
    let rig = Rig::start().await;
    let _actor = rig.start_actor(V_ACTOR, "v_actor_0", &[]);
    assert_eq!(result(&rig, "println(40 + 2)\n").await.text, "42");
    let error = rig.error(job("x := 1\ny = = 2\n")).await;
    assert_eq!((error.kind, error.line), (JobErrorKind::ScriptInvalid, Some(2)), "{error:?}");
    let error = rig.error(job("exit(7)\n")).await;
    assert_eq!((error.kind, error.exit_code), (JobErrorKind::ScriptError, Some(7)), "{error:?}");
}
