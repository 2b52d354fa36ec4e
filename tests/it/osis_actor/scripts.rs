//! What scripts see and what becomes of their values.

use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, JobState, Outcome, ResultKind};

use super::osis_program::{OsisProgram, end, ping, script};

#[tokio::test]
async fn scripts_give_results() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor("osis_actor_0");
    for (text, expected, kind) in [
        ("println!(\"Hello World!\");", "Hello World!", ResultKind::None),
        ("40 + 2", "42", ResultKind::Json),
        ("\"grüße ✓ 世界 🦀\"", "grüße ✓ 世界 🦀", ResultKind::Text),
        ("#{a: [1, 2.5, true, ()], b: \"x\"}", r#"{"a":[1,2.5,true,null],"b":"x"}"#, ResultKind::Json),
        ("print(\"a\"); eprintln(\"b\"); println(\"c\");", "a\nc", ResultKind::None),
        ("let x = 1;", "", ResultKind::None),
        ("#!/usr/bin/env rhai\n6 * 7", "42", ResultKind::Json),
    ] {
        let result = rig.run(text).await;
        assert_eq!((result.text.as_str(), result.kind), (expected, kind), "{text}");
    }
}

#[tokio::test]
async fn scripts_know_their_caller_and_environment_and_nothing_else() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor("osis_actor_0");
    let text = r#"fn seen() { [CALLER_ID, CONTEXT_ID, ENV.X, env("X"), env("Y", "none"), ENV.HERO_ACTOR_ID] } seen()"#;
    let mut spec = script(text);
    spec.caller_id = "ann".to_owned();
    spec.context_id = "ctx-1".to_owned();
    spec.env.insert("X".to_owned(), "42 €".to_owned());
    let finished = rig.end_of(spec).await;
    let Outcome::Succeeded(result) = finished.outcome else { panic!("{finished:?}") };
    assert_eq!(result.text, r#"["ann","ctx-1","42 €","42 €","none","osis_actor_0"]"#);
    let mut names = rig.run("ENV.keys()").await.text;
    names.retain(|c| !"[]\"".contains(c));
    assert!(names.split(',').all(|name| name.starts_with("HERO_") && name != "HERO_SECRET"), "{names}");
}

#[tokio::test]
async fn failed_scripts_say_what_and_where() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor("osis_actor_0");
    let error = rig.error(script("let a = 1;\nprint(\"before\");\n  nothing(a)")).await;
    assert_eq!((error.kind, error.line, error.column), (JobErrorKind::ScriptError, Some(3), Some(3)));
    assert!(error.message.contains("nothing"), "{error:?}");
    assert_eq!(error.log_tail, ["before"]);
    let error = rig.error(script("throw #{code: 7, why: \"x\"}")).await;
    assert_eq!((error.kind, error.message.as_str()), (JobErrorKind::ScriptError, r#"{"code":7,"why":"x"}"#));
    let error = rig.error(script("let x = (1 + ;")).await;
    assert_eq!((error.kind, error.line), (JobErrorKind::ScriptInvalid, Some(1)));
    let error = rig
        .error(script("#!/usr/bin/env hero\n# Notes\n!!osis.new type:note\n  !!osis.sett type:note"))
        .await;
    assert_eq!((error.kind, error.line, error.column), (JobErrorKind::ScriptInvalid, Some(4), Some(3)));
    assert!(error.message.contains("no action osis.sett"), "{error:?}");
}

#[tokio::test]
async fn jobs_run_one_after_another_in_the_order_of_submission() {
    let rig = OsisProgram::start().await;
    let specs = (0..200).map(|number| match number {
        20 => script("sleep(0.4); 20"),
        number => script(&number.to_string()),
    });
    let jobs = rig.submit_all(specs.collect()).await;
    let _actor = rig.actor("osis_actor_0");
    let mut last_start = None;
    for (number, (id, completion)) in jobs.into_iter().enumerate() {
        let finished = end(&id, completion).await;
        let Outcome::Succeeded(result) = finished.outcome else { panic!("{number}: {finished:?}") };
        assert_eq!(result.text, number.to_string());
        assert_eq!(finished.attempt, 1);
        // Starts are derived from ends and lengths, each of which is a little off.
        let started = finished.started_at.unwrap() + Duration::from_millis(20);
        assert!(Some(started) >= last_start, "{number} started before the one in front of it");
        last_start = finished.started_at;
    }
}

#[tokio::test]
async fn a_ping_goes_through_the_engine_and_is_not_a_job_for_lists() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor("osis_actor_0");
    for target in [None, Some("osis_actor_0")] {
        let (id, completion) = rig.submit(ping(target)).await;
        let Outcome::Succeeded(result) = end(&id, completion).await.outcome else { panic!("{id}") };
        assert_eq!(result.text, "pong");
    }
}

#[tokio::test]
async fn a_long_job_is_seen_running_with_its_actor_and_start() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor("osis_actor_0");
    let (id, completion) = rig.submit(script("sleep(1.0); 1")).await;
    let job = rig.until_running(&id).await;
    assert_eq!(job.state, JobState::Running);
    assert_eq!(job.actor_id.unwrap().as_str(), "osis_actor_0");
    let finished = end(&id, completion).await;
    let ran = finished.finished_at.duration_since(job.started_at.unwrap()).unwrap();
    assert!(ran >= Duration::from_millis(990), "{ran:?}");
}
