//! With a real V: `cargo test --features real-v --test it -- v_actor::real`.

use hero_supervisor::domain::model::job::JobErrorKind;

use super::{V_ACTOR, job, result};
use crate::osis_actor::osis_program::OsisProgram;
use crate::support::service::run;

#[tokio::test]
#[cfg_attr(not(feature = "real-v"), ignore = "needs a V compiler in PATH and the feature real-v")]
async fn the_real_v_compiles_and_runs_scripts() {
    let rig = OsisProgram::start().await;
    let _actor = rig.start_actor(V_ACTOR, "v_actor_0", &[]);
    assert_eq!(result(&rig, "println(40 + 2)\n").await.text, "42");
    let error = rig.error(job("x := 1\ny = = 2\n")).await;
    assert_eq!((error.kind, error.line), (JobErrorKind::ScriptInvalid, Some(2)), "{error:?}");
    let error = rig.error(job("exit(7)\n")).await;
    assert_eq!((error.kind, error.exit_code), (JobErrorKind::ScriptError, Some(7)), "{error:?}");
    let error = rig.error(job("import nosuchmodule\nprintln('x')\n")).await;
    assert_eq!((error.kind, error.line), (JobErrorKind::ScriptInvalid, Some(1)), "{error:?}");
    let error = rig.error(job("panic('broken')\n")).await;
    assert_eq!(error.message, "V panic: broken", "{error:?}");
}

#[tokio::test]
#[cfg_attr(not(feature = "real-v"), ignore = "needs a V compiler in PATH and the feature real-v")]
async fn what_a_script_of_the_real_v_has_printed_is_there_when_it_is_ended() {
    let rig = OsisProgram::start().await;
    let _actor = rig.start_actor(V_ACTOR, "v_actor_0", &[]);
    let prints = "import time\nprintln('progress 1')\nfor { time.sleep(100 * time.millisecond) }\n";
    let mut spec = job(prints);
    spec.run_timeout = std::time::Duration::from_secs(30);
    let error = rig.error(spec).await;
    assert_eq!(error.kind, JobErrorKind::RunTimeout, "{error:?}");
    assert_eq!(error.log_tail, ["progress 1"], "{error:?}");
}

#[test]
#[cfg_attr(not(feature = "real-v"), ignore = "needs a V compiler in PATH and the feature real-v")]
fn the_actor_with_the_real_v_passes_the_kit() {
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/actors/v_scripts.toml");
    let ran = run(["actor", "conformance", "--exec", V_ACTOR, "--script-type", "v", "--scripts", scripts]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
}
