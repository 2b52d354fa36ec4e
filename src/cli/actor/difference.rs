//! The difference between the definition of an actor and that of its process.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::descriptors::dynamic;
use crate::proto::ActorConfig;

/// A value of a definition that the process was started with, and the one that a restart takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Path of the field in the API.
    pub(super) field: String,
    /// The value of the process; a dash if there is none.
    pub(super) running: String,
    /// The value of the definition.
    pub(super) defined: String,
}

/// Returns the differences that both definitions show, by field. Values that are not shown can differ, too.
pub(super) fn differences(running: &ActorConfig, defined: &ActorConfig) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", &json(running), &json(defined), &mut found);
    found
}

fn json(config: &ActorConfig) -> Map<String, Value> {
    // The descriptor is part of this program. Which values are secret needs no restart.
    let shown = ActorConfig { secret_env: Vec::new(), ..config.clone() };
    match dynamic(&shown).ok().and_then(|message| serde_json::to_value(message).ok()) {
        Some(Value::Object(fields)) => fields,
        Some(_) | None => Map::new(),
    }
}

fn compare(
    path: &str,
    running: &Map<String, Value>,
    defined: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let names: BTreeSet<&String> = running.keys().chain(defined.keys()).collect();
    let none = Map::new();
    for name in names {
        let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (running.get(name), defined.get(name)) {
            (old, new) if old == new => {}
            (Some(Value::Object(old)), Some(Value::Object(new))) => compare(&field, old, new, found),
            (Some(Value::Object(old)), None) => compare(&field, old, &none, found),
            (None, Some(Value::Object(new))) => compare(&field, &none, new, found),
            (old, new) => {
                found.push(Difference { field, running: text(old), defined: text(new) });
            }
        }
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| text(Some(item))).collect::<Vec<_>>().join(" "),
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(args: &[&str], env: &[(&str, &str)]) -> ActorConfig {
        ActorConfig {
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            ..Default::default()
        }
    }

    fn lines(running: &ActorConfig, defined: &ActorConfig) -> Vec<String> {
        let line = |one: Difference| format!("{}: {} -> {}", one.field, one.running, one.defined);
        differences(running, defined).into_iter().map(line).collect()
    }

    #[test]
    fn only_what_differs_is_there_down_to_single_variables() {
        let running = config(&["--level", "1"], &[("A", "1"), ("B", "2")]);
        let mut defined = config(&["--level", "2"], &[("A", "1"), ("C", "3")]);
        defined.working_dir = "/srv".to_owned();
        let expected =
            ["args: --level 1 -> --level 2", "env.B: 2 -> -", "env.C: - -> 3", "workingDir: - -> /srv"];
        assert_eq!(lines(&running, &defined), expected);
        assert_eq!(lines(&running, &running), Vec::<String>::new());
    }

    #[test]
    fn which_values_are_secret_is_no_difference() {
        let secret = ActorConfig { secret_env: vec!["A".to_owned()], ..config(&[], &[]) };
        assert_eq!(lines(&secret, &config(&[], &[])), Vec::<String>::new());
    }
}
