//! The service as the first process of a container, in a pid namespace of its own.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::support::full_service::{Client, span, until_actor};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, PROGRAM};
use crate::support::wait::eventually;

/// An actor that leaves processes behind whose parent has ended, and then ends when it is told to.
const LEAVES_ORPHANS: &str =
    "#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.2 &); done\nexec sleep 1000\n";

struct Container {
    dir: TempDir,
    outside: Child,
}

impl Container {
    async fn start(redis: &PrivateRedis) -> Self {
        let dir = tempfile::Builder::new().prefix("hsp1").tempdir_in("/tmp").unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let outside = Command::new("unshare")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .args(["--pid", "--fork", "--mount-proc", "--kill-child", PROGRAM, "serve"])
            .args(["--process-manager", "local", "--redis-url", &redis.url(), "--listen"])
            .arg(format!("unix:{}", dir.path().join("s").display()))
            .arg("--ready-file")
            .arg(dir.path().join("ready"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut container = Self { dir, outside };
        eventually("it serves", LIMIT, || {
            let ended = container.outside.try_wait().unwrap();
            let log = std::fs::read_to_string(container.dir.path().join("log")).unwrap();
            assert!(ended.is_none(), "it ended: {log}");
            let serves = container.dir.path().join("ready").exists().then_some(());
            async move { serves }
        })
        .await;
        container
    }

    fn client(&self) -> Client {
        let address = format!("unix://{}", self.dir.path().join("s").display());
        Client::new(tonic::transport::Endpoint::from_shared(address).unwrap().connect_lazy())
    }

    /// The first process, as it is called out here.
    fn first(&self) -> i32 {
        crate::support::full_service::children_of(self.outside.id().cast_signed())[0]
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _gone = self.outside.kill();
        let _gone = self.outside.wait();
    }
}

/// Ended children of a process that nobody has reaped.
fn zombies_of(parent: i32) -> usize {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    let is_zombie = |stat: &String| {
        let mut fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).into_iter().flatten();
        (fields.next(), fields.next()) == (Some("Z"), Some(parent.to_string().as_str()))
    };
    stats.filter(is_zombie).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_reaped_exit_statuses_are_kept_and_signals_are_passed_on() {
    let redis = PrivateRedis::start().await;
    let mut container = Container::start(&redis).await;
    let mut client = container.client();
    let script = container.dir.path().join("actor.sh");
    std::fs::write(&script, LEAVES_ORPHANS).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = pb::ActorConfig {
        script_type: pb::ScriptType::Sal.into(),
        binary_path: script.display().to_string(),
        readiness: pb::actor_config::Readiness::Process.into(),
        restart_policy: Some(pb::RestartPolicy {
            mode: pb::restart_policy::Mode::Never.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let create = |id: &str, config: &pb::ActorConfig| pb::CreateActorRequest {
        actor_id: id.to_owned(),
        config: Some(config.clone()),
        max_wait: span(LIMIT),
        ..Default::default()
    };
    client.create_actor(create("parent", &config)).await.unwrap();
    let first = container.first();
    sleep(Duration::from_millis(400)).await;
    eventually("no orphan is left unreaped", LIMIT, || async { (zombies_of(first) == 0).then_some(()) })
        .await;

    // What the service's own children end with is still told.
    std::fs::write(&script, "#!/bin/sh\nsleep 1; exit 7\n").unwrap();
    client.create_actor(create("child", &config)).await.unwrap();
    let ended = until_actor(&client, "child", "has ended", |actor| actor.last_exit.is_some()).await;
    assert_eq!(ended.last_exit.unwrap().exit_code, Some(7));

    crate::support::full_service::signal(first, Signal::SIGTERM);
    let ended = eventually("the container ends", LIMIT, || {
        let ended = container.outside.try_wait().unwrap();
        async move { ended }
    })
    .await;
    assert_eq!(ended.code(), Some(0));
}
