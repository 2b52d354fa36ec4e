//! Actors and rules for script types as `config show` prints them.

use std::fmt::Write;

use figment::value::Dict;
use serde_json::Value;

use crate::config::{Loaded, actors, script_types, secret};

/// What stands in place of a secret.
const MASKED: &str = "***";
/// Variables whose names have one of these in them hold secrets.
const SECRET_WORDS: [&str; 5] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "KEY"];

impl Loaded {
    /// The `[[actor]]` and `[script_type.TYPE]` tables of the file, for behind the settings; secrets masked.
    pub fn tables_toml(&self) -> String {
        let mut text = String::new();
        for actor in self.raw_actors.iter().map(shown) {
            line(&mut text, format_args!("\n[[{}]]", actors::KEY));
            table(&mut text, actors::KEY, &actor);
        }
        for (name, rules) in self.rules() {
            let path = format!("{}.{name}", script_types::KEY);
            line(&mut text, format_args!("\n[{path}]"));
            table(&mut text, &path, &rules);
        }
        text
    }

    /// The same as JSON, each under its key; without those that the file does not have.
    pub fn tables_json(&self) -> Vec<(&'static str, Value)> {
        let actors: Vec<Value> = self.raw_actors.iter().map(shown).collect();
        let rules: serde_json::Map<String, Value> = self.rules().collect();
        let mut tables = Vec::new();
        if !actors.is_empty() {
            tables.push((actors::KEY, Value::from(actors)));
        }
        if !rules.is_empty() {
            tables.push((script_types::KEY, Value::from(rules)));
        }
        tables
    }

    fn rules(&self) -> impl Iterator<Item = (String, Value)> {
        self.raw_script_types.iter().map(|(name, rules)| {
            let mut rules = serde_json::to_value(rules).unwrap_or_default();
            if let Some(template) = rules.get_mut("actor_template") {
                mask(template);
            }
            (name.clone(), rules)
        })
    }
}

/// The values of a table, and behind them, under their paths, the tables in it.
fn table(text: &mut String, path: &str, value: &Value) {
    let Some(fields) = value.as_object() else { return };
    // A table ends the list of plain values.
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_object()) {
        // The JSON spelling of texts, numbers, truth values and lists of them is TOML too.
        line(text, format_args!("{} = {value}", word(key)));
    }
    for (key, inner) in fields.iter().filter(|(_, value)| value.is_object()) {
        let path = format!("{path}.{}", word(key));
        line(text, format_args!("[{path}]"));
        table(text, &path, inner);
    }
}

/// A key as TOML wants it: bare if it can be, else quoted.
fn word(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { Value::from(key).to_string() }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let written = writeln!(text, "{line}");
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
}

fn shown(table: &Dict) -> Value {
    let mut value = serde_json::to_value(table).unwrap_or_default();
    mask(&mut value);
    value
}

/// Hides secrets in the environment of an actor.
fn mask(actor: &mut Value) {
    let env = actor.get_mut("env").and_then(Value::as_object_mut);
    for (name, value) in env.into_iter().flatten() {
        let name = name.to_ascii_uppercase();
        if SECRET_WORDS.iter().any(|word| name.contains(word)) {
            *value = MASKED.into();
        } else if let Some(url) = value.as_str().filter(|text| text.contains("://")) {
            *value = secret::mask(url).into();
        }
    }
}
