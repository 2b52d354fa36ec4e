//! GEN2 of Zinit, which cannot be installed here: the adapter on a server that plays recorded answers.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test waits for one state of many")]

mod checks;
mod logs;
mod owners;
mod refusals;
mod served;
mod server;

use std::time::Duration;

use futures::future::join_all;
use hero_supervisor::adapters::zinit::ZinitProcessManager;
use hero_supervisor::domain::model::actor::{ExitStatus, RestartMode};
use hero_supervisor::ports::process_manager::{
    ProcessError, ProcessInfo, ProcessManager, ProcessSpec, ProcessState,
};
use serde_json::json;
use tokio::time::Instant;

use self::server::{Played, Plays};
use crate::contract::process_manager::process_manager_contract::{LIMIT, policy, shell};
use crate::support::wait::eventually;

struct RecordedAnswers {
    zinit: Played,
    manager: ZinitProcessManager,
}

impl RecordedAnswers {
    fn start() -> Self {
        Self::on(Played::start())
    }

    fn on(zinit: Played) -> Self {
        let manager = ZinitProcessManager::new(zinit.socket());
        Self { zinit, manager }
    }

    async fn info(&self, name: &str) -> Option<ProcessInfo> {
        self.manager.list().await.unwrap().into_iter().find(|info| info.name == name)
    }

    async fn until<T>(&self, name: &str, what: &str, wanted: impl Fn(ProcessState) -> Option<T>) -> T {
        let wanted = &wanted;
        eventually(&format!("{name} {what}"), LIMIT, || async {
            self.info(name).await.and_then(|info| wanted(info.state))
        })
        .await
    }

    async fn running(&self, name: &str) -> u32 {
        self.until(name, "runs", |state| match state {
            ProcessState::Running { pid } => Some(pid),
            _other => None,
        })
        .await
    }
}

/// One that is always restarted, as actors are.
fn always(name: &str) -> ProcessSpec {
    ProcessSpec { restart: policy(Duration::from_secs(1)), ..shell(name, "exec sleep 1000") }
}

fn mode(name: &str, mode: RestartMode) -> ProcessSpec {
    let mut spec = always(name);
    spec.restart.mode = mode;
    spec
}

#[tokio::test]
async fn recorded_gen2_is_found_by_asking_and_its_limits_are_told() {
    let stage = RecordedAnswers::start();
    let info = stage.manager.probe().await.unwrap();
    assert_eq!(info.name, "zinit v0.2.28 (GEN2)");
    assert!(info.limits.iter().any(|limit| limit.contains("256")), "{:?}", info.limits);
}

#[tokio::test]
async fn recorded_life_of_a_service_from_create_to_delete() {
    let stage = RecordedAnswers::start();
    stage.manager.start(&always("a")).await.unwrap();
    let pid = stage.running("a").await;
    stage.manager.start(&always("a")).await.unwrap();
    assert_eq!(stage.running("a").await, pid, "a second start leaves it alone");
    assert!(matches!(stage.manager.remove("a").await, Err(ProcessError::Rejected { .. })));
    stage.manager.stop("a", Duration::from_secs(10)).await.unwrap();
    let changes = stage.zinit.changes("a");
    let expected = [
        "service_create",
        "service_monitor",
        "service_kill",
        "service_stop",
        "service_forget",
        "service_delete",
    ];
    assert_eq!(changes, expected);
    let down = stage.info("a").await.unwrap().state;
    assert_eq!(down, ProcessState::Down { exit: Some(ExitStatus::Signal(15)) });
    assert_eq!(stage.zinit.file("a"), None, "so that it is not started with zinit");
    stage.manager.stop("a", Duration::from_secs(1)).await.unwrap();
    stage.manager.start(&always("a")).await.unwrap();
    assert_ne!(stage.running("a").await, pid);
    stage.manager.stop("a", Duration::ZERO).await.unwrap();
    stage.manager.remove("a").await.unwrap();
    assert_eq!(stage.manager.list().await.unwrap(), []);
    let called = stage.zinit.called();
    assert!(!called.iter().any(|method| method.starts_with("system")), "{called:?}");
}

#[tokio::test]
async fn recorded_service_is_the_documented_one() {
    let stage = RecordedAnswers::start();
    stage.zinit.put("redis", json!({"exec": "redis-server"}), true);
    let mut spec = always("osis_actor_0");
    spec.program = "/usr/local/bin/osis_actor".into();
    spec.args =
        ["--redis-url", "redis://localhost:6379", "--actor-id", "osis_actor_0"].map(str::to_owned).to_vec();
    spec.health_check = Some("/usr/local/bin/osis_actor --health-check".to_owned());
    spec.after = vec!["redis".to_owned()];
    spec.env =
        [("RUST_LOG", "info"), ("ACTOR_TYPE", "osis")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    stage.manager.start(&spec).await.unwrap();
    let documented = json!({
        "exec": "/usr/local/bin/osis_actor --redis-url redis://localhost:6379 --actor-id osis_actor_0",
        "test": "/bin/sh -c \"exec timeout -k 1 30 /bin/sh -c '/usr/local/bin/osis_actor --health-check'\"",
        "oneshot": false,
        "after": ["redis"],
        "env": {"RUST_LOG": "info", "ACTOR_TYPE": "osis", "HERO_ACTOR_ID": "osis_actor_0"},
    });
    assert_eq!(stage.zinit.file("osis_actor_0"), Some(documented));
}

#[tokio::test]
async fn recorded_stop_would_kill_too_soon_so_the_grace_is_kept_before_it() {
    let stage = RecordedAnswers::start();
    stage.zinit.plays("slow", Plays::EndsAfter(Duration::from_millis(1500)));
    stage.manager.start(&always("slow")).await.unwrap();
    stage.running("slow").await;
    stage.manager.stop("slow", Duration::from_secs(30)).await.unwrap();
    let ended = stage.info("slow").await.unwrap().state;
    assert_eq!(ended, ProcessState::Down { exit: Some(ExitStatus::Code(0)) }, "it was not killed");
}

#[tokio::test]
async fn recorded_stop_kills_what_ignores_its_grace() {
    let stage = RecordedAnswers::start();
    stage.zinit.plays("deaf", Plays::Ignores);
    stage.manager.start(&always("deaf")).await.unwrap();
    stage.running("deaf").await;
    let begun = Instant::now();
    let stop = stage.manager.stop("deaf", Duration::from_secs(2));
    let seen = stage.until("deaf", "stops", |state| match state {
        ProcessState::Stopping { pid } => pid,
        _other => None,
    });
    let (stopped, _pid) = tokio::join!(stop, seen);
    stopped.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    // By a signal of its own: zinit's stop would say SIGTERM once more, which programs may take for haste.
    let changes = stage.zinit.changes("deaf");
    assert_eq!(changes[2..5], ["service_kill", "service_kill", "service_stop"], "{changes:?}");
    let ended = stage.info("deaf").await.unwrap().state;
    assert_eq!(ended, ProcessState::Down { exit: Some(ExitStatus::Signal(9)) });
}

#[tokio::test]
async fn recorded_answers_out_of_order_find_their_callers() {
    let stage = RecordedAnswers::start();
    let names: Vec<String> = (0..20).map(|number| format!("a{number}")).collect();
    let started = join_all(names.iter().map(|name| async { stage.manager.start(&always(name)).await })).await;
    assert!(started.iter().all(Result::is_ok), "{started:?}");
    let begun = Instant::now();
    // A stop takes a second; the looks that are asked for after it are answered before it.
    let stops = join_all(names.iter().map(|name| stage.manager.stop(name, Duration::ZERO)));
    let looks = async {
        for _round in 0..20 {
            for info in stage.manager.list().await.unwrap() {
                let told = matches!(
                    info.state,
                    ProcessState::Running { .. } | ProcessState::Stopping { .. } | ProcessState::Down { .. }
                );
                assert!(told, "{info:?}");
            }
        }
    };
    let (stopped, ()) = tokio::join!(stops, looks);
    assert!(stopped.iter().all(Result::is_ok), "{stopped:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "not one after the other: {:?}", begun.elapsed());
}

#[tokio::test]
async fn recorded_restarts_follow_the_mode() {
    let stage = RecordedAnswers::start();
    let cases = [
        ("always_0", RestartMode::Always, 0, true),
        ("always_3", RestartMode::Always, 3, true),
        ("failure_0", RestartMode::OnFailure, 0, false),
        ("failure_3", RestartMode::OnFailure, 3, true),
        ("never_3", RestartMode::Never, 3, false),
    ];
    for (name, restart, code, again) in cases {
        stage.zinit.plays(name, Plays::Exits(code));
        stage.manager.start(&mode(name, restart)).await.unwrap();
        let told = stage
            .until(name, "ends", |state| match state {
                ProcessState::Backoff { exit } => Some((true, exit)),
                ProcessState::Down { exit } => exit.map(|exit| (false, exit)),
                _other => None,
            })
            .await;
        assert_eq!(told, (again, ExitStatus::Code(code)), "{name}");
    }
    assert_eq!(stage.zinit.file("never_3").unwrap()["oneshot"], true);
}

#[tokio::test]
async fn recorded_crash_is_told_and_followed_by_a_new_pid() {
    let stage = RecordedAnswers::start();
    stage.manager.start(&always("a")).await.unwrap();
    let pid = stage.running("a").await;
    stage.zinit.crash("a", "Error(Signaled(Pid(PID), SIGKILL, false))");
    let state = stage.info("a").await.unwrap().state;
    assert_eq!(state, ProcessState::Backoff { exit: ExitStatus::Signal(9) });
    let anew = |state| match state {
        ProcessState::Running { pid: new } if new != pid => Some(new),
        _other => None,
    };
    stage.until("a", "runs anew", anew).await;
    stage.zinit.crash("a", "Error(Exited(Pid(PID), 3))");
    stage.manager.stop("a", Duration::from_secs(5)).await.unwrap();
    let state = stage.info("a").await.unwrap().state;
    assert_eq!(state, ProcessState::Down { exit: Some(ExitStatus::Code(3)) }, "a stop in the wait is final");
}

#[tokio::test]
async fn recorded_changed_definition_replaces_the_service() {
    let stage = RecordedAnswers::start();
    stage.manager.start(&always("a")).await.unwrap();
    let pid = stage.running("a").await;
    let mut changed = always("a");
    changed.env.insert("REVISION".to_owned(), "2".to_owned());
    stage.manager.start(&changed).await.unwrap();
    assert_ne!(stage.running("a").await, pid);
    assert_eq!(stage.zinit.file("a").unwrap()["env"]["REVISION"], "2");
}

#[tokio::test]
async fn recorded_running_services_are_adopted_by_a_new_supervisor() {
    let stage = RecordedAnswers::start();
    stage.manager.start(&always("a")).await.unwrap();
    let pid = stage.running("a").await;
    stage.manager.close().await;
    let other = ZinitProcessManager::new(stage.zinit.socket());
    other.start(&always("a")).await.unwrap();
    let list = other.list().await.unwrap();
    assert_eq!(list[0].state, ProcessState::Running { pid });
}

#[tokio::test]
async fn recorded_refusals_are_told_apart() {
    let stage = RecordedAnswers::start();
    stage.manager.stop("nobody", Duration::from_secs(1)).await.unwrap();
    stage.manager.remove("nobody").await.unwrap();
    assert_eq!(stage.manager.log_tail("nobody", 10).await.unwrap(), []);
    let signalled = stage.manager.signal("nobody", 15).await;
    assert!(matches!(signalled, Err(ProcessError::NotFound { name }) if name == "nobody"));
    let refused = stage.manager.start(&always("a.b")).await;
    assert!(matches!(refused, Err(ProcessError::Rejected { .. })), "{refused:?}");
    stage.zinit.plays("missing", Plays::Missing);
    stage.manager.start(&always("missing")).await.unwrap();
    let failed = stage.info("missing").await.unwrap();
    assert_eq!(failed.state, ProcessState::SpawnFailed);
    assert!(failed.detail.contains("could not be executed"), "{failed:?}");
    // Zinit never tries it again by itself; a start does.
    stage.zinit.plays("missing", Plays::Runs);
    stage.manager.start(&always("missing")).await.unwrap();
    stage.running("missing").await;
    stage.zinit.crash("missing", "Error(Exited(Pid(PID), 1))");
    let signalled = stage.manager.signal("missing", 15).await;
    assert!(matches!(signalled, Err(ProcessError::Rejected { .. })), "{signalled:?}");
}

#[tokio::test]
async fn recorded_hang_up_is_unavailable_and_then_found_again() {
    let mut stage = RecordedAnswers::start();
    stage.manager.start(&always("a")).await.unwrap();
    let pid = stage.running("a").await;
    stage.zinit.restart().await;
    let found = || async { stage.manager.list().await.ok() };
    let list = eventually("it is found again", LIMIT, found).await;
    assert_eq!(list[0].state, ProcessState::Running { pid });
}
