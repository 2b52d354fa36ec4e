//! Actors of a file, good and bad.

use std::time::Duration;

use crate::config::{Config, ConfigError, Env, Flags, Loaded, render_json, render_toml};
use crate::domain::model::actor::RestartMode;

use super::*;

fn load(text: &str) -> Result<Loaded, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("supervisor.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Config::layers(Some(path), Env::default(), Flags::default()))
}

const FULL: &str = r#"
lease = "20s"

[[actor]]
name = "top"
script_type = "sal"
binary_path = "/bin/true"
args = ["--a", "b c"]
dependencies = ["base", "redis"]
health_check = "true"
working_dir = "/tmp"
binary_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
drain_timeout = "1m"
start_timeout = "5s"
readiness = "process"
start = false
no_new_privileges = true
die_with_process_manager = true
run_as = { user = "nobody", group = "nogroup" }
limits = { memory_bytes = 1073741824, open_files = 64, cpu_time = "1h" }
health_policy = { idle_after = "1m", action = "report_only" }

[actor.env]
PORT = 7
REDIS_URL = "redis://:s3cret@h:1"
API_TOKEN = "s3cret"

[actor.labels]
team = "blue"

[actor.restart_policy]
mode = "on_failure"
initial_backoff = "2s"
max_backoff = "3s"
reset_after = "4s"
max_restarts = 0
window = "5s"

[[actor]]
name = "base"
script_type = "osis"
binary_path = "/bin/base"
"#;

#[test]
fn every_key_is_read_and_dependencies_come_first() {
    let actors = load(FULL).unwrap().actors;
    let names: Vec<&str> = actors.iter().map(|actor| actor.config.name.as_str()).collect();
    assert_eq!(names, ["base", "top"]);
    assert!(actors[0].start && !actors[1].start);
    let top = &actors[1].config;
    assert_eq!((top.script_type, top.readiness), (ScriptType::SAL, Readiness::Process));
    assert_eq!((top.env["PORT"].as_str(), top.labels["team"].as_str()), ("7", "blue"));
    assert_eq!((top.args.len(), top.dependencies.len()), (2, 2));
    assert_eq!((top.drain_timeout, top.start_timeout), (Duration::from_secs(60), Duration::from_secs(5)));
    assert!(top.health_check.is_some() && top.working_dir.is_some() && top.sha256.is_some());
    assert_eq!((top.restart.mode, top.restart.max_restarts), (RestartMode::OnFailure, 0));
    assert_eq!(top.restart.window, Duration::from_secs(5));
    assert_eq!(top.labels[FILE_LABEL.0], FILE_LABEL.1);
    let confinement = &top.confinement;
    assert!(confinement.no_new_privileges && confinement.die_with_manager);
    assert_eq!(confinement.run_as.as_ref().unwrap().user, "nobody");
    assert_eq!(
        (confinement.limits.open_files, confinement.limits.cpu_time),
        (Some(64), Some(Duration::from_secs(3600)))
    );
    assert_eq!(top.health.idle_after, Some(Duration::from_secs(60)));
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_the_path_of_its_key() {
    let told = load(
        r#"
        leese = "1s"
        [[actor]]
        name = "Bad Name"
        script_type = "perl"
        binary_path = "relative"
        drain_timeout = "soon"
        args = "not a list"
        healthcheck = "true"
        env = { HERO_X = "1", DEEP = { a = 1 } }
        restart_policy = { mode = "sometimes", max_restart = 3 }
        [[actor]]
        name = "twice"
        script_type = "osis"
        binary_path = "/bin/a"
        [[actor]]
        name = "twice"
        script_type = "osis"
        readiness = 7
        "#,
    )
    .unwrap_err()
    .to_string();
    for part in [
        "leese (",
        "actor[0].name (",
        "actor[0].script_type (",
        "actor[0].binary_path (",
        "actor[0].drain_timeout (",
        "\"soon\" is not a time",
        "actor[0].args (",
        "actor[0].healthcheck (",
        "did you mean health_check?",
        "actor[0].env[\"HERO_X\"] (",
        "actor[0].env[\"DEEP\"] (",
        "actor[0].restart_policy.mode (",
        "use always or on_failure or never",
        "actor[0].restart_policy.max_restart (",
        "actor[2].name (",
        "actor[2].readiness (",
        "supervisor.toml",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

#[test]
fn actors_that_wait_for_each_other_are_refused() {
    let actor = |name: &str, on: &str| {
        format!(
            "[[actor]]\nname = \"{name}\"\nscript_type = \"v\"\nbinary_path = \"/b\"\ndependencies = [\"{on}\"]\n"
        )
    };
    let told = load(&format!("{}{}", actor("a", "b"), actor("b", "a"))).unwrap_err().to_string();
    assert!(told.contains("].dependencies (") && told.contains("wait for each other: a -> b -> a"), "{told}");
    assert!(load("actor = 7").unwrap_err().to_string().contains("write each actor as [[actor]]"));
    assert!(load("[actor]\nname = \"a\"").is_err());
}

#[test]
fn what_is_shown_of_actors_can_be_read_again_and_has_no_secrets() {
    let loaded = load(FULL).unwrap();
    for with_origin in [true, false] {
        let text =
            format!("{}{}", render_toml(&loaded.settings, with_origin, false), loaded.tables_toml(false));
        assert!(!text.contains("s3cret"), "{text}");
        let again = load(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(again.actors.len(), 2, "{text}");
        assert_eq!(again.actors[0], loaded.actors[0], "{text}");
        assert_eq!(again.actors[1].config.restart, loaded.actors[1].config.restart, "{text}");
    }
    let (key, json) = loaded.tables_json(false).remove(0);
    assert_eq!(key, "actor");
    assert_eq!(json[0]["name"], "top");
    assert_eq!(json[0]["env"]["PORT"], "***");
    assert!(!json.to_string().contains("s3cret"));
    assert!(render_json(&loaded.settings, false, false).is_object());
}
