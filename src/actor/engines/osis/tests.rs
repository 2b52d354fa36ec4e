use std::time::Duration;

use super::*;
use crate::actor::engines::Unheard;
use crate::domain::model::job::{JobErrorKind, ResultKind};
use crate::ports::work_queue::Retryability;

fn run_text(text: &str) -> Result<JobResult, AttemptError> {
    let script = Script {
        kind: JobKind::Script,
        job_id: "job-1",
        text,
        input: None,
        caller_id: "ann",
        context_id: "ctx",
        actor_id: "osis_actor_0",
        env: &[("X", "1")],
        timeout: Duration::from_secs(20),
    };
    let sink: Arc<dyn Sink> = Arc::new(Unheard);
    Osis::new(Limits::default()).run(&script, &sink)
}

#[test]
fn both_formats_run_and_print() {
    for (text, result, kind) in [
        ("\"x\" + 1", "x1", ResultKind::Text),
        ("!!play.echo content:'Hello World!'", "Hello World!", ResultKind::None),
        (
            "!!play.echo content:${X}{CALLER_ID}-${CONTEXT_ID}-${HERO_JOB_ID}-${NO}",
            "1ann-ctx-job-1-${NO}",
            ResultKind::None,
        ),
        (
            "!!session.env_set key:a val:'b c'\n!!session.env_set key:X val:${a}!\n!!play.echo content:'{a} {X}'",
            "b c b c!",
            ResultKind::None,
        ),
    ] {
        let end = run_text(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!((end.text.as_str(), end.kind), (result, kind), "{text}");
    }
    let new = run_text("!!osis.new type:note").unwrap();
    assert!(new.text.starts_with(r#"[{"id":""#) && new.kind == ResultKind::Json, "{new:?}");
}

#[test]
fn what_json_does_not_have_is_a_text_and_not_null() {
    for (text, result, kind) in [
        ("1.0 / 0.0", "inf", ResultKind::Text),
        ("[1.5, 0.0 / 0.0]", "[1.5, NaN]", ResultKind::Text),
        ("#{a: [1.5]}", r#"{"a":[1.5]}"#, ResultKind::Json),
    ] {
        let end = run_text(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!((end.text.as_str(), end.kind), (result, kind), "{text}");
    }
}

#[test]
fn what_is_not_known_is_refused_with_its_place_before_anything_runs() {
    let first = "!!play.echo content:before\n";
    for (text, place, word) in [
        ("  !!osis.sett type:x", (2, 3), "there is no action osis.sett"),
        ("!!osis.get type:x id:1 idd:2", (2, 24), "no argument \"idd\""),
        ("!!osis.get type:x\n  id:1 loud", (3, 8), "\"loud\" has no key"),
        ("!!osis.get type:x", (2, 1), "needs id:"),
        ("!!!osis.get type:x id:1", (2, 1), "!!osis.get"),
        ("!!echo x", (2, 1), "core.echo"),
        ("!!osis.set type:'x", (2, 17), "never closed"),
    ] {
        let error = run_text(&format!("{first}{text}")).unwrap_err();
        assert_eq!(error.retry, Retryability::Final);
        let error = error.error;
        assert_eq!(error.kind, JobErrorKind::ScriptInvalid, "{text}");
        assert_eq!((error.line.unwrap(), error.column.unwrap()), place, "{text}");
        assert!(error.message.contains(word), "{text}: {}", error.message);
        assert!(error.log_tail.is_empty(), "nothing ran");
    }
}

#[test]
fn without_an_actor_the_store_says_so_at_the_place_of_the_call() {
    for text in ["\n osis_get(\"note\", 1)", "!!play.echo content:x\n!!osis.get type:note id:1"] {
        let error = run_text(text).unwrap_err().error;
        assert_eq!((error.kind, error.line), (JobErrorKind::ScriptError, Some(2)), "{text}: {error:?}");
        assert!(error.message.contains("no object store"), "{error:?}");
    }
    for (text, word) in [
        ("osis_set(\"\", #{})", "the type of an object is empty"),
        ("osis_set(\"t\", #{id: [1]})", "id of an object"),
        ("osis_get(\"t\", \"\")", "id of an object is empty"),
        ("let m = #{}; for i in 0..70 { m[`f${i}`] = i; } osis_set(\"t\", m)", "at most 64 fields"),
        ("let s = \"x\"; s.pad(1100000, \"y\"); osis_set(\"t\", #{s: s})", "more than the 1048576"),
        ("let a = 1; for i in 0..120 { a = [a]; } osis_set(\"t\", #{v: a})", "at most 120 maps and arrays"),
        ("let a = 1; for i in 0..119 { a = [a]; } osis_set(\"t\", #{v: a})", "no object store"),
        ("osis_set(\"t\", #{v: [#{x: 1.0 / 0.0}]})", "no infinite number"),
        ("osis_set(\"t\", #{v: 0.0 / 0.0})", "no NaN"),
        ("!!osis.set type:t data:'[1]'", "not a JSON object"),
        ("!!osis.set type:t revision:x", "is not a number"),
    ] {
        let error = run_text(text).unwrap_err().error;
        assert!(error.message.contains(word), "{text}: {}", error.message);
    }
}
