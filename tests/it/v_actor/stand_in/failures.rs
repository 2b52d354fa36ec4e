//! How scripts, compilers and machines fail, and what is said of it.

use std::fs;

use hero_supervisor::domain::model::job::{JobError, JobErrorKind};

use super::StandIn;
use crate::osis_actor::osis_program::OsisProgram;
use crate::v_actor::{job, result};

fn place(error: &JobError) -> (JobErrorKind, Option<u32>, Option<u32>) {
    (error.kind, error.line, error.column)
}

#[tokio::test]
async fn what_does_not_compile_is_told_with_its_place_if_it_has_one() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    for (script, line, column, message) in [
        ("x\ny = SYNTAX", Some(2), Some(5), "unexpected SYNTAX"),
        ("#v import", Some(1), Some(1), "cannot import module \"nosuchmodule\" (not found)"),
        ("#v gcc", None, None, "the C compiler says: unknown type name 'nothere_t'"),
        ("#v tcc", None, None, "the C compiler says: field not found: a"),
        ("#v link", None, None, "the C compiler says: undefined reference to `no_such_function_xyz'"),
        ("#v tcc-link", None, None, "the C compiler says: undefined symbol 'no_such_function_xyz'"),
        ("#v warnings", Some(31), Some(3), "undefined ident: `y`"),
    ] {
        let error = rig.error(job(script)).await;
        assert_eq!(place(&error), (JobErrorKind::ScriptInvalid, line, column), "{error:?}");
        assert_eq!(error.message, message);
        let words = message.rsplit(": ").next().unwrap();
        assert!(error.log_tail.iter().any(|line| line.contains(words)), "{error:?}");
    }
}

#[tokio::test]
async fn a_compiler_that_crashes_is_not_the_script() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    let mut spec = job("#v crash");
    spec.retry.max_attempts = 3;
    let error = rig.error(spec).await;
    assert_eq!((error.kind, error.signal), (JobErrorKind::EngineCrash, Some(11)), "{error:?}");
    assert!(error.message.starts_with("V crashed"), "{error:?}");
    assert_eq!(stand_in.compilations(), 1, "it would crash again");
}

#[tokio::test]
async fn what_only_the_operator_can_mend_is_no_fault_of_the_script() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let actor = stand_in.actor_with(&rig, &["--search-path=/nowhere"]);
    let error = rig.error(job("echo x")).await;
    assert_eq!(error.kind, JobErrorKind::EngineUnavailable, "{error:?}");
    assert!(error.message.contains("no C compiler") && error.message.contains("/nowhere"), "{error:?}");
    drop(actor);
    let _actor = stand_in.actor_with(&rig, &["--v-flag=-nosuchflag"]);
    let error = rig.error(job("echo x")).await;
    assert_eq!(error.kind, JobErrorKind::EngineUnavailable, "{error:?}");
    assert!(error.message.contains("--v-flag") && error.message.contains("-nosuchflag"), "{error:?}");
}

#[tokio::test]
async fn a_full_disk_costs_the_jobs_of_its_time_and_no_others() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    for full in ["full", "full-gcc"] {
        let script = format!("echo {full}");
        fs::write(stand_in.path(full), "").unwrap();
        let error = rig.error(job(&script)).await;
        assert_eq!(error.kind, JobErrorKind::Internal, "{error:?}");
        let folder = stand_in.path("work").display().to_string();
        assert!(error.message.contains("no room left") && error.message.contains(&folder), "{error:?}");
        assert!(stand_in.kept().len() <= 1, "a program that is not whole is not kept");
        fs::remove_file(stand_in.path(full)).unwrap();
        assert_eq!(result(&rig, &script).await.text, full);
    }
}

#[tokio::test]
async fn how_a_program_ends_is_told_in_its_own_words() {
    use JobErrorKind::{LimitExceeded, ScriptError};

    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    let boxed = "================ V panic ================\n   module: main\n  message: broken\n     file: main.v:3\n\
                 =========================================";
    for (says, code, kind, message, line) in [
        ("last words", 7, ScriptError, "the script exited with code 7", None),
        ("V panic: broken\nv hash: 84ed4ff", 1, ScriptError, "V panic: broken", None),
        (boxed, 1, ScriptError, "V panic: broken", Some(3)),
        (
            "main.tmp.c:9: at main__main: RUNTIME ERROR: division by zero",
            255,
            ScriptError,
            "division by zero",
            None,
        ),
        ("signal 11: segmentation fault", 139, ScriptError, "signal 11: segmentation fault", None),
        (
            "GC Warning: Out of Memory! Heap size: 490 MiB. Returning NULL!\nV panic: memory allocation failure",
            1,
            LimitExceeded,
            "the script needs more memory than it may use; see --max-memory",
            None,
        ),
    ] {
        // Enough behind it to push it out of the last lines.
        let script = format!(
            "echo '{says}' >&2\ni=0; while [ $i -lt 30 ]; do i=$((i + 1)); echo at $i >&2; done\nexit {code}"
        );
        let error = rig.error(job(&script)).await;
        assert_eq!((error.kind, error.exit_code, error.line), (kind, Some(code), line), "{error:?}");
        assert_eq!(error.message, message);
        assert_eq!(error.log_tail.last().map(String::as_str), Some("at 30"));
    }
    let error = rig.error(job("echo no json > \"$HERO_RESULT_FILE\"")).await;
    assert_eq!(error.kind, ScriptError, "{error:?}");
    let error = rig.error(job("kill -SEGV $$")).await;
    assert_eq!(error.kind, JobErrorKind::EngineCrash, "{error:?}");
}
