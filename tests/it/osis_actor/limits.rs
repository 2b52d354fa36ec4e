//! What hurts: each costs the job that did it, with the right kind of error, and the next job runs.

use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, Outcome};
use tokio::time::Instant;

use super::osis_program::{OsisProgram, script, script_for};

async fn next_job_runs(rig: &OsisProgram) {
    assert_eq!(rig.run("6 * 7").await.text, "42");
}

#[tokio::test]
async fn scripts_end_at_their_timeout() {
    let rig = OsisProgram::start().await;
    let _actor = rig.ready_actor("osis_actor_0").await;
    for text in ["loop {}", "sleep(100)", "sleep(100.5)", "let a = []; loop { a.push(1); a.clear(); }"] {
        let begun = Instant::now();
        let error = rig.error(script_for(text, Duration::from_secs(1))).await;
        let took = begun.elapsed();
        assert_eq!(error.kind, JobErrorKind::RunTimeout, "{text}: {error:?}");
        assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(4), "{text}: {took:?}");
        next_job_runs(&rig).await;
    }
}

#[tokio::test]
async fn what_breaks_the_engine_costs_one_job() {
    let rig = OsisProgram::start().await;
    let actor = rig.actor_with("osis_actor_0", &["--max-memory=256MiB"]);
    // Each string is below the limit for one.
    let strings: String = (0..60).map(|i| format!("let s{i} = s + \"{i}\";\n")).collect();
    let bomb = format!("let s = \"x\"; for i in 0..23 {{ s += s; }}\n{strings}");
    let cases = [
        (bomb.as_str(), &[JobErrorKind::LimitExceeded][..]),
        ("let s = \"x\"; loop { s += s; }", &[JobErrorKind::LimitExceeded]),
        ("fn f(x) { f(x + 1) } f(0)", &[JobErrorKind::LimitExceeded]),
        ("let s = \"\"; s.pad(2000000, 'x'); s", &[JobErrorKind::LimitExceeded]),
        ("import \"std\" as s;", &[JobErrorKind::ScriptError]),
    ];
    for (text, kinds) in cases {
        let error = rig.error(script(text)).await;
        assert!(kinds.contains(&error.kind), "{}: {error:?}", &text[..text.len().min(60)]);
        next_job_runs(&rig).await;
    }
    // These two end well or badly, depending on the build; the actor lives in any case.
    for text in [
        "let f = |x| x; for i in 0..10000 { let g = f; f = |x| g.call(x); } f.call(1)",
        "const E = #{a: 1}; E.b = 2;",
    ] {
        let finished = rig.end_of(script(text)).await;
        if let Outcome::Failed(error) = finished.outcome {
            let kinds = [JobErrorKind::EngineCrash, JobErrorKind::ScriptError, JobErrorKind::LimitExceeded];
            assert!(kinds.contains(&error.kind), "{text}: {error:?}");
        }
        next_job_runs(&rig).await;
    }
    assert_eq!(actor.children().len(), 1);
}

#[tokio::test]
async fn ten_megabytes_of_output_are_cut_in_the_middle() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor("osis_actor_0");
    let text = "let line = \"\"; line.pad(999, 'x'); for i in 0..10000 { print(line); } print(\"end\");";
    let printed = rig.run(text).await.text;
    assert!(printed.len() <= 1 << 20 && printed.len() > 1_000_000, "{}", printed.len());
    assert!(printed.starts_with("xxx") && printed.ends_with("x\nend"));
    assert!(printed.contains(" bytes truncated ...]\n"));
    next_job_runs(&rig).await;
}

#[tokio::test]
async fn operations_can_be_limited() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor_with("osis_actor_0", &["--max-operations", "100000"]);
    let error = rig.error(script("loop {}")).await;
    assert_eq!(error.kind, JobErrorKind::LimitExceeded, "{error:?}");
    next_job_runs(&rig).await;
}

#[tokio::test]
async fn a_thousand_jobs_leave_nothing_behind() {
    let rig = OsisProgram::start().await;
    let actor = rig.ready_actor("osis_actor_0").await;
    let host = actor.host().await;
    let jobs = rig.submit_all((0..1000).map(|number| script(&number.to_string())).collect()).await;
    for (id, completion) in jobs {
        assert!(matches!(super::osis_program::end(&id, completion).await.outcome, Outcome::Succeeded(_)));
    }
    assert_eq!(actor.children(), [host], "the same one host, and nothing else");
    let threads = std::fs::read_dir(format!("/proc/{host}/task")).unwrap().count();
    assert_eq!(threads, 3, "one runs scripts, one answers calls, one passes on what scripts say");
}
