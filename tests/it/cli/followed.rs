//! What people follow on a terminal goes on when the supervisor is another one.

use std::fs::File;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;

use crate::support::full_service::{FullService, create, signal, span};
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;

/// A command that goes on, and what it has shown.
struct Followed {
    child: Child,
    shown: PathBuf,
}

impl Followed {
    fn start(service: &Service, name: &str, args: &[&str]) -> Self {
        let shown = service.dir().join(name);
        let child = service.client(args).stdout(File::create(&shown).unwrap()).spawn().unwrap();
        Self { child, shown }
    }

    async fn shows(&self, what: &str) -> String {
        eventually(&format!("{what:?} is shown"), LIMIT, || async {
            let text = std::fs::read_to_string(&self.shown).unwrap();
            text.contains(what).then_some(text)
        })
        .await
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_health_are_followed_across_a_restart_of_the_supervisor_and_nothing_is_shown_twice() {
    let mut whole = FullService::start().await;
    let mut definition = whole.definition("osis_actor_0");
    definition.config.as_mut().unwrap().health_policy = Some(pb::HealthPolicy {
        idle_after: span(Duration::from_secs(1)),
        ping_timeout: span(Duration::from_secs(1)),
        failure_threshold: Some(1),
        action: pb::health_policy::Action::ReportOnly.into(),
        ..Default::default()
    });
    let actor = create(&mut whole.client(), definition).await;
    let events = Followed::start(&whole.service, "events", &["events", "-f", "--topic", "actor"]);
    let health = Followed::start(&whole.service, "health", &["health", "watch"]);
    health.shows("osis_actor_0").await;
    let stop = ["actor", "stop", "osis_actor_0"];
    assert_eq!(whole.service.run(stop).code, 0);
    events.shows("actor osis_actor_0 is stopped").await;

    whole.service.signal(Signal::SIGKILL);
    whole.service.ended().await;
    whole.service.restart().await;
    assert_eq!(whole.service.run(["actor", "start", "osis_actor_0"]).code, 0);
    let shown = events.shows("actor osis_actor_0 is running").await;
    assert_eq!(shown.matches("actor osis_actor_0 is stopped").count(), 1, "{shown}");
    let again = whole.service.run(["actor", "get", "osis_actor_0", "-o", "json"]).json();
    let pid = i32::try_from(again["actor"]["pid"].as_i64().unwrap()).unwrap();
    assert_ne!(Some(pid), actor.pid);
    signal(pid, Signal::SIGSTOP);
    health.shows("unhealthy").await;
    signal(pid, Signal::SIGCONT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_supervisor_changes_neither_the_start_nor_the_health_of_an_actor() {
    let mut whole = FullService::start().await;
    create(&mut whole.client(), whole.definition("osis_actor_0")).await;
    let actor = |service: &Service| {
        let actor = service.run(["actor", "get", "osis_actor_0", "-o", "json"]).json()["actor"].clone();
        [&actor["pid"], &actor["startTime"]].map(ToString::to_string)
    };
    let healthy = async |service: &Service| {
        assert_eq!(service.run(["job", "run", "40 + 2"]).stdout, "42\n");
        eventually("it is known to be healthy", LIMIT, async || {
            let known = service.run(["health", "check", "--scope", "none"]).stdout;
            known.contains(" healthy ").then_some(())
        })
        .await;
    };
    let changes = |service: &Service| {
        let events = service.run(["events", "--actor", "osis_actor_0", "-n", "1000"]);
        let changed = events.stdout.lines().filter(|line| line.contains("health_changed"));
        changed.map(str::to_owned).collect::<Vec<_>>()
    };
    healthy(&whole.service).await;
    let before = actor(&whole.service);
    assert_eq!(changes(&whole.service).len(), 1, "{:?}", changes(&whole.service));

    whole.service.signal(Signal::SIGKILL);
    whole.service.ended().await;
    whole.service.restart().await;
    assert_eq!(whole.service.run(["wait", "ready", "--all-actors"]).code, 0);
    assert_eq!(actor(&whole.service), before);
    // A job and a ping, after which nothing is left that could still be told.
    healthy(&whole.service).await;
    assert_eq!(whole.service.run(["health", "check", "osis_actor_0", "--scope", "all"]).code, 0);
    assert_eq!(changes(&whole.service).len(), 1, "{:?}", changes(&whole.service));
}
