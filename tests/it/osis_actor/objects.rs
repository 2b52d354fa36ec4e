//! Objects that outlive their scripts, in both formats.

use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, Outcome};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::osis_program::{OsisProgram, SOON, end, script};
use crate::support::wait::eventually;

fn script_in(context: &str, text: &str) -> JobSpec {
    JobSpec { context_id: context.to_owned(), ..script(text) }
}

async fn answer(rig: &OsisProgram, spec: JobSpec) -> String {
    let text = spec.script.clone();
    match rig.end_of(spec).await.outcome {
        Outcome::Succeeded(result) => result.text,
        other @ (Outcome::Failed(_) | Outcome::Cancelled(_)) => panic!("{text}: {other:?}"),
    }
}

#[tokio::test]
async fn objects_are_stored_found_and_removed_by_rhai() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor("osis_actor_0");
    let text = r#"
        let note = osis_new("note");
        note.title = "grüße 🦀";
        note.tags = ["a", #{b: [1, 2.5, (), true]}];
        note.stars = 5;
        let id = osis_set("note", note);
        let again = osis_get("note", id);
        let found = osis_find("note", "title", "grüße 🦀") == [id] && osis_find("note", "stars", 5) == [id];
        let absent = [osis_get("note", "no"), osis_exists("note", "no"), osis_delete("note", "no"),
            osis_revision("note", "no"), osis_list("other"), osis_find("note", "stars", 6)];
        again.stars = 6;
        osis_set("note", again, 1);
        let changed = [osis_revision("note", id), osis_find("note", "stars", 5), osis_list("note") == [id]];
        [id == note.id, again.tags, again.title, found, absent, changed, osis_delete("note", id), osis_list("note")]
    "#;
    let got: Value = serde_json::from_str(&rig.run(text).await.text).unwrap();
    let expected = json!([
        true, ["a", {"b": [1, 2.5, null, true]}], "grüße 🦀", true, [null, false, false, 0, [], []],
        [2, [], true], true, []
    ]);
    assert_eq!(got, expected);
    let error = rig.error(script("let id = osis_set(\"n\", #{});\n  osis_set(\"n\", #{id: id}, 5)")).await;
    assert_eq!((error.kind, error.line), (JobErrorKind::ScriptError, Some(2)));
    assert!(error.message.contains("has revision 1, not 5"), "{error:?}");
}

#[tokio::test]
async fn playbooks_and_rhai_see_the_same_objects() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor("osis_actor_0");
    let text = "#!/usr/bin/env hero
# Tasks

Some words before it begins.

// the first task
!!session.env_set key:OWNER val:'Ann B.'
!!osis.set type:task id:t1 owner:${OWNER} title:'write
it down' url:http://x:80/y
!!osis.set type:task id:t2 data:'{\"n\": 7, \"deep\": {\"list\": [1]}}' owner:{OWNER}
!!osis.find type:task field:owner value:'Ann B.'
!!osis.get type:task id:t1
!!osis.exists type:task id:t3
!!osis.list type:task
!!play.echo content:done
";
    let result = rig.run(text).await.text;
    let expected = json!([
        null, "t1", "t2", ["t1", "t2"],
        {"id": "t1", "owner": "Ann B.", "title": "write\nit down", "url": "http://x:80/y"},
        false, ["t1", "t2"], null
    ]);
    let said: Value = serde_json::from_str(&result).unwrap_or(Value::Null);
    assert_eq!(said, expected, "{result}");
    assert_eq!(rig.run("osis_get(\"task\", \"t2\").deep.list").await.text, "[1]");
    assert_eq!(rig.run("osis_find(\"task\", \"n\", 7)").await.text, r#"["t2"]"#);
    let error =
        rig.error(script("!!osis.delete type:task id:t1\n!!osis.set type:task revision:9 id:t2")).await;
    assert_eq!((error.kind, error.line, error.column), (JobErrorKind::ScriptError, Some(2), Some(1)));
    assert_eq!(rig.run("osis_list(\"task\")").await.text, r#"["t2"]"#, "what was done stays done");
}

#[tokio::test]
async fn nothing_is_done_by_a_playbook_with_an_unknown_action() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor("osis_actor_0");
    let error = rig.error(script("!!osis.set type:x id:1\n\n  !!osis.drop type:x")).await;
    assert_eq!((error.kind, error.line, error.column), (JobErrorKind::ScriptInvalid, Some(3), Some(3)));
    let error = rig.error(script("!!osis.set type:x id:1\n!!osis.get type:x id:1 nme:y")).await;
    assert_eq!((error.kind, error.line, error.column), (JobErrorKind::ScriptInvalid, Some(2), Some(24)));
    assert_eq!(rig.run("!!osis.list type:x").await.text, "[[]]");
}

#[tokio::test]
async fn two_contexts_do_not_see_each_other() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor("osis_actor_0");
    answer(&rig, script_in("a", "osis_set(\"note\", #{id: 1, v: \"a\"})")).await;
    answer(&rig, script_in("b", "!!osis.set type:note id:1 v:b")).await;
    for context in ["a", "b"] {
        let seen = answer(&rig, script_in(context, "osis_get(\"note\", 1).v")).await;
        assert_eq!(seen, context);
        let found = answer(&rig, script_in(context, "osis_find(\"note\", \"v\", \"a\").len()")).await;
        assert_eq!(found == "1", context == "a");
    }
    assert_eq!(answer(&rig, script_in("c", "osis_list(\"note\")")).await, "[]");
    // The context is the actor's to say: no variable of a script changes it.
    assert_eq!(answer(&rig, script_in("c", "let CONTEXT_ID = \"a\"; osis_list(\"note\")")).await, "[]");
}

#[tokio::test]
async fn big_and_odd_values_come_back_as_they_were() {
    let rig = OsisProgram::start().await;
    let _actor = rig.actor("osis_actor_0");
    let text = r#"
        let big = ""; big.pad(1000000, "€".to_chars()[0]);
        let big = big.sub_string(0, 340000);
        let odd = "a\x00b\r\n'\"\\ {} $";
        osis_set("v", #{id: "big", v: big});
        osis_set("v", #{id: "odd", v: odd, n: 9007199254740993, f: 1e300, "ключ": "世界"});
        let read = osis_get("v", "odd");
        [osis_get("v", "big").v == big, osis_find("v", "v", big), read.v == odd, read.n == 9007199254740993,
            read.f == 1e300, read["ключ"]]
    "#;
    assert_eq!(rig.run(text).await.text, r#"[true,["big"],true,true,true,"世界"]"#);
}

#[tokio::test]
async fn a_store_that_is_away_is_an_error_of_the_script_with_its_place() {
    let rig = OsisProgram::start().await;
    let actor = rig.ready_actor("osis_actor_0").await;
    let text = r#"
        let why = "";
        for i in 0..600 {
            try { osis_get("n", 1); if why != "" { break } } catch(error) { why = error }
            sleep(0.05);
        }
        why
    "#;
    let (id, completion) = rig.submit(script(text)).await;
    rig.until_running(&id).await;
    rig.redis.freeze();
    tokio::time::sleep(Duration::from_secs(4)).await;
    rig.redis.thaw();
    let Outcome::Succeeded(result) = end(&id, completion).await.outcome else { panic!("the script goes on") };
    let told = ["did not answer within", "cannot be reached"].iter().any(|words| result.text.contains(words));
    assert!(told, "{}", result.text);
    drop(actor);
}

#[tokio::test]
async fn what_a_killed_script_has_stored_is_whole_and_the_next_job_runs() {
    let rig = OsisProgram::start().await;
    let actor = rig.ready_actor("osis_actor_0").await;
    let host = actor.host().await;
    let text = "let n = 0; loop { n += 1; osis_set(\"c\", #{id: \"n\", n: n, same: n}); }";
    let (id, completion) = rig.submit(script(text)).await;
    let mut connection = rig.redis.connection().await;
    eventually("it has written", SOON, || {
        let mut connection = connection.clone();
        async move {
            let keys: Vec<String> =
                redis::cmd("KEYS").arg("hero:obj:*").query_async(&mut connection).await.unwrap();
            (!keys.is_empty()).then_some(())
        }
    })
    .await;
    kill(Pid::from_raw(host), Signal::SIGKILL).unwrap();
    let Outcome::Failed(error) = end(&id, completion).await.outcome else { panic!("it was killed") };
    assert_eq!(error.kind, JobErrorKind::EngineCrash);
    let text = "let o = osis_get(\"c\", \"n\"); [o.n == o.same, o.n > 0, osis_find(\"c\", \"n\", o.n), osis_list(\"c\")]";
    assert_eq!(rig.run(text).await.text, r#"[true,true,["n"],["n"]]"#);
    let sets: Vec<String> =
        redis::cmd("KEYS").arg("hero:obj:*:x:*").query_async(&mut connection).await.unwrap();
    assert_eq!(sets.len(), 2, "{sets:?}");
}
