//! Actors and settings of script types as `config show` prints them.

use std::fmt::Write;

use figment::value::Dict;
use serde::Serialize;
use serde_json::Value;

use crate::config::{Loaded, actors, auth, queues, script_types, secret};

impl Loaded {
    /// Returns the `[[auth.…]]`, `[[actor]]`, `[[queue]]` and `[script_type.TYPE]` tables of the file, to follow the settings. Secrets are
    /// masked unless `reveal` is set.
    pub fn tables_toml(&self, reveal: bool) -> String {
        let mut text = String::new();
        for (path, rule) in self.identities() {
            line(&mut text, format_args!("\n[[{path}]]"));
            table(&mut text, &path, &rule);
        }
        for actor in self.raw_actors.iter().map(|actor| shown(actor, reveal)) {
            line(&mut text, format_args!("\n[[{}]]", actors::KEY));
            table(&mut text, actors::KEY, &actor);
        }
        for queue in self.queue_tables(reveal) {
            line(&mut text, format_args!("\n[[{}]]", queues::KEY));
            table(&mut text, queues::KEY, &queue);
        }
        for (name, rules) in self.rules(reveal) {
            let path = format!("{}.{name}", script_types::KEY);
            line(&mut text, format_args!("\n[{path}]"));
            table(&mut text, &path, &rules);
        }
        text
    }

    /// Returns the same as JSON, each under its key, without tables that the file lacks.
    pub fn tables_json(&self, reveal: bool) -> Vec<(String, Value)> {
        let actors: Vec<Value> = self.raw_actors.iter().map(|actor| shown(actor, reveal)).collect();
        let rules: serde_json::Map<String, Value> = self.rules(reveal).collect();
        let mut tables = Vec::new();
        for (path, rule) in self.identities() {
            match tables.iter_mut().find(|(known, _)| *known == path) {
                Some((_, Value::Array(rules))) => rules.push(rule),
                Some(_) | None => tables.push((path, Value::from(vec![rule]))),
            }
        }
        if !actors.is_empty() {
            tables.push((actors::KEY.to_owned(), Value::from(actors)));
        }
        let queues: Vec<Value> = self.queue_tables(reveal).collect();
        if !queues.is_empty() {
            tables.push((queues::KEY.to_owned(), Value::from(queues)));
        }
        if !rules.is_empty() {
            tables.push((script_types::KEY.to_owned(), Value::from(rules)));
        }
        tables
    }

    /// Returns the rules of identities, each with the path of its list.
    fn identities(&self) -> impl Iterator<Item = (String, Value)> {
        let value = |rule: &Dict| serde_json::to_value(rule).unwrap_or_default();
        self.raw_auth.iter().flat_map(move |(list, rules)| {
            rules.iter().map(move |rule| (format!("{}.{list}", auth::KEY), value(rule)))
        })
    }

    fn rules(&self, reveal: bool) -> impl Iterator<Item = (String, Value)> {
        self.raw_script_types.iter().map(move |(name, rules)| (name.clone(), with_template(rules, reveal)))
    }

    fn queue_tables(&self, reveal: bool) -> impl Iterator<Item = Value> {
        self.raw_queues.iter().map(move |queue| with_template(queue, reveal))
    }
}

/// Returns settings; secrets of their template are masked unless `reveal` is set.
fn with_template(settings: &impl Serialize, reveal: bool) -> Value {
    let mut settings = serde_json::to_value(settings).unwrap_or_default();
    if let Some(template) = settings.get_mut("actor_template").filter(|_template| !reveal) {
        mask(template);
    }
    settings
}

/// Writes the values of a table, followed by its inner tables under their paths.
fn table(text: &mut String, path: &str, value: &Value) {
    let Some(fields) = value.as_object() else { return };
    // A table ends the list of plain values.
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_object()) {
        // JSON and TOML spell strings, numbers, booleans and lists of them alike.
        line(text, format_args!("{} = {value}", word(key)));
    }
    for (key, inner) in fields.iter().filter(|(_, value)| value.is_object()) {
        let path = format!("{path}.{}", word(key));
        line(text, format_args!("[{path}]"));
        table(text, &path, inner);
    }
}

/// Returns a TOML key, quoted if necessary.
fn word(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { Value::from(key).to_string() }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let written = writeln!(text, "{line}");
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
}

fn shown(table: &Dict, reveal: bool) -> Value {
    let mut value = serde_json::to_value(table).unwrap_or_default();
    if !reveal {
        mask(&mut value);
    }
    value
}

/// Masks the secrets of an actor's definition. An environment variable of any name may be a secret, so only those
/// that are known to be none stay.
fn mask(actor: &mut Value) {
    let env = actor.get_mut("env").and_then(Value::as_object_mut);
    for (_name, value) in env.into_iter().flatten().filter(|(name, _value)| !is_open(name)) {
        *value = secret::MASKED.into();
    }
    if let Some(args) = actor.get_mut("args").and_then(Value::as_array_mut) {
        let words = secret::mask_words(args.iter().map(|arg| arg.as_str().unwrap_or_default()));
        for (arg, masked) in args.iter_mut().zip(words).filter(|(arg, _masked)| arg.is_string()) {
            *arg = masked.into();
        }
    }
    if let Some(check) = actor.get_mut("health_check")
        && let Some(text) = check.as_str()
    {
        *check = secret::mask_words(text.split(' ')).join(" ").into();
    }
}

/// Variables that are no secrets.
fn is_open(name: &str) -> bool {
    const OPEN: [&str; 20] = [
        "PATH",
        "LANG",
        "TZ",
        "HOME",
        "USER",
        "SHELL",
        "TERM",
        "TMPDIR",
        "RUST_LOG",
        "RUST_BACKTRACE",
        "NO_COLOR",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "HERO_ISOLATION",
        "HERO_PYTHON_BIN",
        "HERO_RECYCLE_JOBS",
        "HERO_RECYCLE_MEMORY",
        "HERO_V_CACHE_DIR",
        "HERO_WORK_DIR",
        "V_BIN",
    ];
    OPEN.contains(&name) || name.starts_with("LC_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_of_an_actor_is_left() {
        let mut actor = serde_json::json!({
            "args": ["--redis-url", "redis://:argsecret@h:1", "--api-token=argsecret", "--password", "argsecret", "--level", "3"],
            "health_check": "PGPASSWORD=hcsecret pg_isready --token hcsecret -h redis://u:hcsecret@h",
            "env": {
                "REDIS_URL": "redis://:en?vsecret@h", "DATABASE_DSN": "x envsecret", "AUTH": "Bearer envsecret",
                "MYSQL_PWD": "envsecret", "BASIC": "https://hooks.example/envsecret", "LC_ALL": "C", "PATH": "/bin",
            },
        });
        mask(&mut actor);
        let shown = actor.to_string();
        assert!(!shown.contains("secret@") && !shown.contains("argsecret"), "{shown}");
        assert!(!shown.contains("hcsecret") && !shown.contains("envsecret"), "{shown}");
        assert_eq!(actor["args"][6], "3");
        assert_eq!(actor["health_check"], "PGPASSWORD=*** pg_isready --token *** -h redis://u:***@h");
        assert_eq!(actor["env"]["LC_ALL"], "C");
        assert_eq!(actor["env"]["PATH"], "/bin");
    }
}
