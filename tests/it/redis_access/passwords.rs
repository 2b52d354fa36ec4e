//! Passwords come from files, change without a restart, and are shown nowhere.

use std::path::Path;

use hero_supervisor::domain::model::script_type::ScriptType;

use super::rights::{definition, env_of};
use crate::access::pki::write;
use crate::support::full_service::{FullService, OSIS_ACTOR, create, osis, run};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, run as command};
use crate::support::wait::eventually;

/// The new password of both.
const NEW: &str = "n3w-p4ssw0rd";

/// Gives a user another password, and ends its connections.
async fn rotate(redis: &PrivateRedis, user: &str, file: &Path) {
    write(file, NEW);
    let mut connection = redis.connection().await;
    let mut set = redis::cmd("ACL");
    set.arg("SETUSER").arg(user).arg("resetpass").arg(format!(">{NEW}"));
    set.query_async::<()>(&mut connection).await.unwrap();
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("USER").arg(user);
    let killed: i64 = kill.query_async(&mut connection).await.unwrap();
    assert!(killed > 0, "{user} had connections");
}

/// The command lines and variables of all processes that are to be seen.
fn processes() -> String {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    let of = |pid: std::fs::DirEntry| {
        let own = pid.file_name().to_string_lossy() == std::process::id().to_string();
        let read = |name: &str| std::fs::read(pid.path().join(name)).unwrap_or_default();
        let all = if own { Vec::new() } else { [read("cmdline"), read("environ")].concat() };
        String::from_utf8_lossy(&all).into_owned()
    };
    pids.map(of).collect()
}

#[tokio::test]
async fn a_password_is_replaced_without_a_restart_and_never_shown() {
    let redis = PrivateRedis::start().await;
    let (supervisors, actors) = (redis.supervisors(), redis.actors(ScriptType::OSIS));
    let file = supervisors.password_file.clone().unwrap();
    let user = supervisors.user.clone().unwrap();
    let flags = ["--redis-user", &user, "--redis-password-file", file.to_str().unwrap()];
    let stage = FullService::start_on(redis, &flags).await;
    let mut client = stage.client();
    let env = env_of(stage.redis.url(), &actors);
    let actor = create(&mut client, definition("a", ScriptType::OSIS, OSIS_ACTOR, env)).await;
    assert_eq!(run(&client, osis("1")).await.result.unwrap(), "1");

    rotate(&stage.redis, &user, &file).await;
    rotate(&stage.redis, actors.user.as_deref().unwrap(), actors.password_file.as_deref().unwrap()).await;
    // Calls that meet the end of a connection may fail.
    eventually("the service is back", LIMIT, || async {
        let mut client = stage.client();
        client.list_actors(hero_supervisor::proto::ListActorsRequest::default()).await.ok()
    })
    .await;
    assert_eq!(run(&client, osis("2")).await.result.unwrap(), "2");
    let after = stage.service.run(["actor", "get", "a", "-o", "json"]);
    assert!(after.stdout.contains(&format!("\"pid\": {}", actor.pid())), "the same process: {after:?}");

    let shown = command(["config", "show", "--redis-url", "redis://h"].iter().chain(&flags));
    assert!(shown.stdout.contains("redis_password_file"), "{shown:?}");
    let all = [
        shown.stdout,
        stage.service.stderr(),
        stage.log_of("a").await,
        stage.service.run(["events", "-o", "json"]).stdout,
        after.stdout,
        processes(),
    ];
    for password in [NEW, "password of hero-"] {
        let seen = all.iter().position(|text| text.contains(password));
        assert_eq!(seen, None, "{password}");
    }
}

#[tokio::test]
async fn a_password_that_cannot_be_read_is_told_by_the_setting() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "s3cret").unwrap();
    let path = file.to_str().unwrap();
    for line in [["config", "check"], ["serve", "--process-manager=local"]] {
        let ran = command(line.iter().chain(&["--listen=127.0.0.1:0", "--redis-password-file", path]));
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.contains("redis_password_file") && ran.stderr.contains("chmod 600"), "{ran:?}");
        assert!(!ran.stderr.contains("s3cret"), "{ran:?}");
    }
    let mut check = std::process::Command::new(OSIS_ACTOR);
    check.args(["--health-check", "--redis-url", "redis://127.0.0.1:1", "--redis-password-file", path]);
    let said = check.output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("redis_password_file") && !said.contains("s3cret"), "{said}");
}
