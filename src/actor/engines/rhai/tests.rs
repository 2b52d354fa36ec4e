use std::time::Duration;

use super::*;
use crate::actor::engines::Unheard;
use crate::domain::model::job::ResultKind;
use crate::ports::work_queue::Retryability;
use tokio::time::Instant;

fn script(text: &str) -> Script<'_> {
    Script {
        kind: JobKind::Script,
        job_id: "job-1",
        text,
        input: None,
        caller_id: "ann",
        context_id: "ctx",
        actor_id: "osis_actor_0",
        env: &[("X", "1"), ("EMPTY", "")],
        timeout: Duration::from_secs(20),
    }
}

fn run_with(limits: Limits, script: &Script<'_>) -> Result<JobResult, AttemptError> {
    // As in a host: debug builds need a large stack for what the limits allow.
    std::thread::scope(|scope| {
        let run = || Rhai::new(limits).run(script, &unheard());
        let thread = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, run).unwrap();
        thread.join().unwrap()
    })
}

fn unheard() -> Arc<dyn Sink> {
    Arc::new(Unheard)
}

fn run(text: &str) -> Result<JobResult, AttemptError> {
    run_with(Limits::default(), &script(text))
}

fn text(source: &str) -> String {
    run(source).unwrap_or_else(|error| panic!("{source}: {error:?}")).text
}

fn error(source: &str) -> JobError {
    run(source).expect_err(source).error
}

#[test]
fn the_last_value_is_the_result() {
    use ResultKind::{Json, None, Text};
    for (source, expected, kind) in [
        ("40 + 2", "42", Json),
        ("40 + 2;", "42", Json),
        ("return 42;", "42", Json),
        ("exit(7)", "7", Json),
        ("true", "true", Json),
        ("1.5", "1.5", Json),
        ("0.0 / 0.0", "NaN", Text),
        (r#""plain ✓ \"quoted\"""#, "plain ✓ \"quoted\"", Text),
        ("'c'", "c", Text),
        (r#"#{b: [1, "x", ()], a: #{}}"#, r#"{"a":{},"b":[1,"x",null]}"#, Json),
        ("blob(2, 7)", "[7,7]", Json),
        ("1..5", "1..5", Text),
        ("let x = 1; let f = || x; x", "1", Json),
        ("", "", None),
        ("()", "", None),
        ("println!(\"Hello World!\");", "Hello World!", None),
        (
            "print(1); println(); println(\"b\"); print([1, \"x\"]); eprintln(\"no\");",
            "1\n\nb\n[1, \"x\"]",
            None,
        ),
        ("print(\"ignored\"); 5", "5", Json),
        ("#!/usr/bin/env rhai\n1", "1", Json),
    ] {
        let result = run(source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
        assert_eq!((result.text.as_str(), result.kind), (expected, kind), "{source}");
    }
}

#[test]
fn constants_are_seen_everywhere_and_cannot_be_changed() {
    assert_eq!(text("fn f() { `${CALLER_ID}/${CONTEXT_ID}/${ENV.X}` } f()"), "ann/ctx/1");
    assert_eq!(text("let CALLER_ID = \"eve\"; CALLER_ID"), "ann");
    assert_eq!(
        text(r#"[env("X"), env("EMPTY"), env("NO"), env("NO", 5), ENV.NO, ENV.HERO_JOB_ID]"#),
        r#"["1","",null,5,null,"job-1"]"#
    );
    for source in ["CALLER_ID = \"eve\"", "ENV.X = 2", "ENV = 1"] {
        assert_eq!(error(source).kind, JobErrorKind::ScriptError, "{source}");
    }
}

#[test]
fn mistakes_have_a_kind_a_place_and_a_message() {
    use JobErrorKind::{LimitExceeded, ScriptError, ScriptInvalid};
    for (source, kind, place, message) in [
        ("let x = ;", ScriptInvalid, (1, 9), "Unexpected ';'"),
        ("\nlet a = 1;\n  b", ScriptError, (3, 3), "Variable not found: b"),
        ("fn f() {\n 1 / 0 }\nf()", ScriptError, (2, 4), "Division by zero"),
        ("#!/bin/x\n throw \"out\"", ScriptError, (2, 2), "out"),
        ("throw #{code: 7}", ScriptError, (1, 1), "{\"code\":7}"),
        ("eval(\"1\")", ScriptInvalid, (1, 1), "eval"),
        ("import \"x\" as y;", ScriptError, (1, 1), "import is not available"),
        ("fn f() { f() } f()", LimitExceeded, (1, 16), "Stack overflow"),
        ("let s = \"x\"; loop { s += s; }", LimitExceeded, (1, 23), "Length of string too large"),
        ("!!osis.set x:1", ScriptInvalid, (0, 0), "HeroScript"),
    ] {
        let error = error(source);
        assert_eq!(error.kind, kind, "{source}: {error:?}");
        assert!(error.message.contains(message), "{source}: {error:?}");
        assert_eq!((error.line.unwrap_or(0), error.column.unwrap_or(0)), place, "{source}: {error:?}");
    }
}

#[test]
fn only_what_would_fail_again_is_not_repeated() {
    assert_eq!(run("throw 1").unwrap_err().retry, Retryability::Retry);
    assert_eq!(run("let").unwrap_err().retry, Retryability::Final);
}

#[test]
fn a_failed_script_shows_what_it_printed_last() {
    let tail = error("for i in 0..30 { print(i) } eprintln(\"two\\nlines\"); throw 1").log_tail;
    assert_eq!(tail.len(), 20);
    assert_eq!(tail[17..], ["29", "two", "lines"]);
}

#[test]
fn scripts_end_at_their_timeout() {
    for source in ["loop {}", "sleep(100)", "sleep(100.0)", "try { loop {} } catch { loop {} }"] {
        let begin = Instant::now();
        let short = Script { timeout: Duration::from_millis(300), ..script(source) };
        let error = run_with(Limits::default(), &short).unwrap_err().error;
        assert_eq!(error.kind, JobErrorKind::RunTimeout, "{source}: {error:?}");
        assert!((0.3..5.0).contains(&begin.elapsed().as_secs_f64()), "{source}: {:?}", begin.elapsed());
    }
    assert_eq!(text("sleep(0); sleep(-1); sleep(0.01); 1"), "1");
}

#[test]
fn limits_of_operations_output_and_result_hold() {
    let limits = Limits { operations: 10_000, output: 1000, result: 2000, ..Limits::default() };
    let error = |source| run_with(limits, &script(source)).unwrap_err().error;
    assert_eq!(error("loop {}").kind, JobErrorKind::LimitExceeded);
    for long in ["let s = \"\"; s.pad(2001, 'x'); s", "let a = []; a.pad(1001, 1); a"] {
        assert_eq!(error(long).kind, JobErrorKind::LimitExceeded, "{long}");
    }
    let printed = run_with(limits, &script("for i in 0..1000 { print(i) }")).unwrap().text;
    assert!(printed.len() < 1000 && printed.starts_with("0\n") && printed.ends_with("\n999"), "{printed}");
    assert!(printed.contains("bytes truncated"));
}

#[test]
fn nothing_of_a_job_reaches_the_next() {
    let mut engine = Rhai::new(Limits::default());
    let mut run = |text| engine.run(&script(text), &unheard()).map(|result| result.text);
    assert_eq!(run("print(\"a\"); let leaked = 1; fn g() { 1 } leaked").unwrap(), "1");
    assert_eq!(run("()").unwrap(), "");
    assert!(run("leaked").is_err());
    assert!(run("g()").is_err());
}

#[test]
fn a_panic_of_the_engine_is_the_end_of_one_job_only() {
    let mut engine = Rhai::new(Limits::default());
    // Rhai 1.27 panics on this when it folds constants; whatever it does, the next job runs.
    drop(engine.run(&script("const E = #{a: 1}; E.b = 2;"), &unheard()));
    assert_eq!(engine.run(&script("1"), &unheard()).unwrap().text, "1");
}

#[test]
fn a_ping_is_answered_by_the_engine() {
    let mut engine = Rhai::new(Limits::default());
    let ping = Script { kind: JobKind::Ping, ..script("whatever") };
    assert_eq!(engine.run(&ping, &unheard()).unwrap().text, "pong");
}

#[test]
fn the_input_is_parsed_and_a_constant() {
    let with = |input: Option<&str>, source: &str| {
        run_with(Limits::default(), &Script { input, ..script(source) }).map(|result| result.text)
    };
    let of = |input: &str, source: &str| {
        with(Some(input), source).unwrap_or_else(|error| panic!("{source}: {error:?}"))
    };
    assert_eq!(with(None, "INPUT == ()").unwrap(), "true");
    assert_eq!(of("null", "INPUT == ()"), "true");
    let nested = r#"{"a": {"b": [1, 2.5, "x", null, true]}, "é": "ü"}"#;
    assert_eq!(of(nested, "INPUT"), r#"{"a":{"b":[1,2.5,"x",null,true]},"é":"ü"}"#);
    assert_eq!(of(nested, "fn f() { INPUT.a.b[2] + INPUT[\"é\"] } f()"), "xü");
    assert_eq!(of(nested, "let mine = INPUT; mine.a.b = 7; `${mine.a.b} ${INPUT.a.b.len()}`"), "7 5");
    assert_eq!(of(nested, "INPUT.a.b.filter(|x| type_of(x) == \"i64\").len()"), "1");
    assert_eq!(of("-9223372036854775808", "INPUT"), "-9223372036854775808");
    assert_eq!(of("1e3", "INPUT + 1"), "1001.0");
    assert_eq!(of("18446744073709551615", "INPUT"), "1.8446744073709552e+19", "too large for an integer");
    assert!(with(Some(nested), "INPUT = 1;").is_err());
    let error = with(Some("{"), "INPUT").unwrap_err().error;
    assert_eq!(error.kind, JobErrorKind::ScriptError);
    assert!(error.message.contains("the input of the job is not JSON"), "{error:?}");
    assert_eq!(with(Some("{"), "40 + 2").unwrap(), "42", "nobody has asked for it");
}
