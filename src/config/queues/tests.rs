//! Queues of a file, good and bad.

use std::time::Duration;

use crate::config::{Config, ConfigError, Env, Flags, Loaded};
use crate::domain::model::scaling::ScalingMode;

use super::*;

fn load(text: &str) -> Result<Loaded, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("supervisor.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Config::layers(Some(path), Env::default(), Flags::default()))
}

const FULL: &str = r#"
[[queue]]
name = "python-gpu"
script_type = "python"
max_queue_depth = 10
priority_ageing = "10m"

[queue.scaling_policy]
mode = "fixed"
replicas = 2

[queue.job_defaults]
run_timeout = "1m"

[queue.actor_template]
args = ["--max-memory", "1GiB"]
env = { TOKEN = "s3cret" }

[[queue]]
name = "canary"
script_type = "osis"

[[actor]]
name = "gpu_0"
script_type = "python"
queue = "python-gpu"
"#;

#[test]
fn every_key_is_read() {
    let loaded = load(FULL).unwrap();
    let [gpu, canary] = loaded.queues.as_slice() else { panic!("{loaded:?}") };
    assert_eq!((gpu.table.as_str(), gpu.queue().to_string().as_str()), ("queue[0]", "python-gpu"));
    let settings = &gpu.settings;
    assert_eq!((settings.script_type, settings.max_queue_depth), (ScriptType::Python, Some(10)));
    assert_eq!(settings.priority_ageing, Some(Duration::from_secs(600)));
    let scaling = settings.scaling.unwrap();
    assert_eq!((scaling.mode, scaling.replicas), (ScalingMode::Fixed, Some(2)));
    assert_eq!(settings.job_defaults.unwrap().run_timeout, Some(Duration::from_secs(60)));
    let template = settings.template.as_ref().unwrap();
    assert_eq!((template.name.as_str(), template.queue), ("python-gpu_actor_0", Some(gpu.name)));
    assert_eq!((canary.name.as_str(), canary.settings.scaling), ("canary", None));
}

#[test]
fn what_is_shown_is_read_again_and_has_no_secrets() {
    let loaded = load(FULL).unwrap();
    let shown = loaded.tables_toml(false);
    assert!(shown.contains("[queue.actor_template]") && !shown.contains("s3cret"), "{shown}");
    let again = load(&loaded.tables_toml(true)).unwrap();
    assert_eq!(again.queues, loaded.queues);
    let json = loaded.tables_json(false);
    let (_, queues) = json.iter().find(|(key, _)| key == "queue").unwrap();
    assert_eq!(queues[1]["name"], "canary");
    assert_eq!(loaded.programs().count(), 0, "the programs are found when the actors start");
}

#[test]
fn every_mistake_is_told_with_its_key() {
    let told = |text: &str| load(text).unwrap_err().to_string();
    let table = |rest: &str| format!("[[queue]]\nname = \"a\"\nscript_type = \"v\"\n{rest}");
    for (text, expected) in [
        ("queue = 1".to_owned(), "queue: is not a list of tables: write each queue as [[queue]]"),
        ("[[queue]]\nscript_type = \"v\"".to_owned(), "queue[0].name: is missing"),
        ("[[queue]]\nname = \"a\"".to_owned(), "queue[0].script_type: is missing"),
        ("[[queue]]\nname = \"\"\nscript_type = \"v\"".to_owned(), "queue[0].name: "),
        ("[[queue]]\nname = \"a\"\nscript_type = \"\"".to_owned(), "queue[0].script_type: "),
        (
            "[[queue]]\nname = \"A\"\nscript_type = \"v\"".to_owned(),
            "queue[0].name: \"A\" is not a queue name",
        ),
        (
            "[[queue]]\nname = \"v\"\nscript_type = \"v\"".to_owned(),
            "queue[0].name: is v, the default queue of its script type, which is always there: write its settings as \
             [script_type.v]",
        ),
        (table(&table("")), "queue[1].name: is \"a\", and so is another one's"),
        (table("colour = 1"), "queue[0].colour"),
        (
            table("[queue.scaling_policy]\nmode = \"auto\""),
            "queue[0].scaling_policy.max_replicas: is not set",
        ),
        (
            table("[[actor]]\nname = \"x\"\nscript_type = \"sal\"\nqueue = \"a\""),
            "queue[0].script_type: is v, and the actor \"x\" of this file, which is for the queue a, runs another type",
        ),
    ] {
        // Each line has the key, its origin, and what is wrong.
        let (key, what) = expected.split_once(": ").unwrap_or((expected, ""));
        let told = told(&text);
        let is_told =
            told.lines().any(|line| line.trim().starts_with(&format!("{key} (")) && line.contains(what));
        assert!(is_told, "{text}\n{told}");
    }
}
