//! The process: its flags, its health check, and how it ends.

use std::process::{Command, Output};
use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, JobState, Outcome};
use nix::sys::signal::Signal;

use super::osis_program::{OsisProgram, SOON, end, is_alive, script};
use crate::support::wait::eventually;

fn osis_actor(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_osis_actor"));
    command.env_remove("REDIS_URL").env_remove("HERO_ACTOR_ID").args(args);
    command.output().unwrap()
}

#[tokio::test]
async fn the_health_check_says_in_one_line_what_works() {
    let rig = OsisProgram::start().await;
    let good = osis_actor(&["--health-check"]);
    let said = String::from_utf8(good.stdout).unwrap();
    assert_eq!(good.status.code(), Some(0), "{said}");
    assert!(said.starts_with("osis_actor: ok: rhai") && said.lines().count() == 1, "{said}");
    let good = osis_actor(&["--health-check", "--redis-url", &rig.redis.url()]);
    let said = String::from_utf8(good.stdout).unwrap();
    assert_eq!(good.status.code(), Some(0), "{said}");
    assert!(said.contains("redis in "), "{said}");
}

#[test]
fn the_health_check_says_in_one_line_what_does_not_work() {
    let program = env!("CARGO_BIN_EXE_osis_actor");
    for (line, word) in [
        (format!("{program} --health-check --redis-url unix:///nowhere/redis.sock"), "redis: "),
        // Too little for the stack of a host.
        (format!("ulimit -v 60000; {program} --health-check"), "engine: "),
    ] {
        let bad = Command::new("sh").args(["-c", &line]).output().unwrap();
        let said = String::from_utf8(bad.stderr).unwrap();
        assert_eq!(bad.status.code(), Some(1), "{said}");
        assert!(bad.stdout.is_empty());
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("osis_actor: ") && last.contains(word), "{said}");
    }
}

#[test]
fn wrong_flags_end_with_exit_code_2() {
    for args in
        [&[][..], &["--actor-id", "Not An Id"], &["--actor-id", "a", "--concurrency", "4"], &["--what"]]
    {
        let bad = osis_actor(args);
        assert_eq!(bad.status.code(), Some(2), "{args:?}");
        assert!(!bad.stderr.is_empty());
    }
}

#[tokio::test]
async fn sigterm_finishes_what_runs_and_gives_the_rest_back() {
    let rig = OsisProgram::start().await;
    let mut actor = rig.ready_actor("osis_actor_0").await;
    let host = actor.host().await;
    let mut jobs = rig.submit_all(["sleep(1.5); 1", "2", "3"].map(script).into()).await.into_iter();
    let (first, first_end) = jobs.next().unwrap();
    rig.until_running(&first).await;
    actor.signal(Signal::SIGTERM);
    let finished = end(&first, first_end).await;
    assert!(matches!(finished.outcome, Outcome::Succeeded(_)), "{finished:?}");
    assert_eq!(actor.exit().await.code(), Some(0));
    assert!(!is_alive(host));
    let rest: Vec<_> = jobs.collect();
    for (id, _) in &rest {
        let job = rig.job(id).await;
        assert_eq!((job.state, job.attempt), (JobState::Queued, 0), "{job:?}");
    }
    let _other = rig.actor("osis_actor_1");
    for (id, completion) in rest {
        let finished = end(&id, completion).await;
        assert_eq!((finished.attempt, finished.outcome.state()), (1, JobState::Succeeded));
    }
}

#[tokio::test]
async fn an_idle_actor_ends_at_once() {
    let rig = OsisProgram::start().await;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut actor = rig.ready_actor("osis_actor_0").await;
        actor.signal(signal);
        let begun = tokio::time::Instant::now();
        assert_eq!(actor.exit().await.code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_second_sigterm_kills_what_runs() {
    let rig = OsisProgram::start().await;
    let mut actor = rig.ready_actor("osis_actor_0").await;
    let (id, completion) = rig.submit(script("sleep(300)")).await;
    rig.until_running(&id).await;
    actor.signal(Signal::SIGTERM);
    eventually("the first signal is seen", SOON, || async { actor.log().contains("SIGTERM").then_some(()) })
        .await;
    actor.signal(Signal::SIGTERM);
    let Outcome::Failed(error) = end(&id, completion).await.outcome else { panic!("it was killed") };
    assert_eq!(error.kind, JobErrorKind::ActorLost);
    assert_eq!(actor.exit().await.code(), Some(0));
}

#[tokio::test]
async fn hosts_die_with_their_actor() {
    let rig = OsisProgram::start().await;
    let mut actor = rig.ready_actor("osis_actor_0").await;
    let host = actor.host().await;
    let (id, _completion) = rig.submit(script("loop {}")).await;
    rig.until_running(&id).await;
    actor.signal(Signal::SIGKILL);
    actor.exit().await;
    eventually("the host is gone", SOON, || async { (!is_alive(host)).then_some(()) }).await;
}

#[tokio::test]
async fn a_host_cannot_see_what_its_actor_knows() {
    let rig = OsisProgram::start().await;
    let actor = rig.ready_actor("osis_actor_0").await;
    let host = actor.host().await;
    let read = |what: &str| std::fs::read_to_string(format!("/proc/{host}/{what}")).unwrap();
    assert_eq!(read("environ"), "");
    let line = read("cmdline").replace('\0', " ");
    assert!(line.starts_with("osis_actor-host --host --actor-id=osis_actor_0 "), "{line}");
    assert!(!line.contains("redis"), "{line}");
    for fd in std::fs::read_dir(format!("/proc/{host}/fd")).unwrap().flatten() {
        let target = std::fs::read_link(fd.path()).unwrap_or_default().display().to_string();
        let known = ["/dev/null", "pipe:", "socket:", "/proc/"].iter().any(|known| target.starts_with(known));
        assert!(known, "{target}");
    }
}

#[tokio::test]
async fn an_actor_whose_log_nobody_reads_any_more_works_on() {
    let rig = OsisProgram::start().await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_osis_actor"))
        .args(["--redis-url", &rig.redis.url(), "--actor-id", "osis_actor_0"])
        .env("RUST_LOG", "debug")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // As when the Zinit that has started it is killed.
    drop(child.stderr.take());
    for number in 0..3 {
        // A job that fails is logged.
        let failed = rig.error(script(&format!("throw {number}"))).await;
        assert_eq!(failed.kind, JobErrorKind::ScriptError, "{failed:?}");
    }
    assert!(is_alive(i32::try_from(child.id()).unwrap()));
    child.kill().unwrap();
    child.wait().unwrap();
}
