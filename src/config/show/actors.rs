//! Actors as `config show` prints them.

use std::fmt::Write;

use figment::value::Dict;
use serde_json::Value;

use crate::config::{Loaded, actors, secret};

/// What stands in place of a secret.
const MASKED: &str = "***";
/// Variables whose names have one of these in them hold secrets.
const SECRET_WORDS: [&str; 5] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "KEY"];

impl Loaded {
    /// The `[[actor]]` tables of the file, for behind the settings; secrets masked.
    pub fn actors_toml(&self) -> String {
        let mut text = String::new();
        for table in self.raw_actors.iter().map(shown) {
            line(&mut text, format_args!("\n[[{}]]", actors::KEY));
            let Value::Object(fields) = table else { continue };
            // A table ends the list of plain values.
            let (tables, plain): (Vec<_>, Vec<_>) =
                fields.into_iter().partition(|(_, value)| value.is_object());
            for (key, value) in plain {
                line(&mut text, format_args!("{key} = {value}"));
            }
            for (key, table) in tables {
                line(&mut text, format_args!("[{}.{key}]", actors::KEY));
                for (key, value) in table.as_object().into_iter().flatten() {
                    // The JSON spelling of texts, numbers, truth values and lists of them is TOML too.
                    line(&mut text, format_args!("{} = {value}", Value::from(key.as_str())));
                }
            }
        }
        text
    }

    /// The same as JSON.
    pub fn actors_json(&self) -> Value {
        self.raw_actors.iter().map(shown).collect()
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let written = writeln!(text, "{line}");
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
}

fn shown(table: &Dict) -> Value {
    let mut value = serde_json::to_value(table).unwrap_or_default();
    let env = value.get_mut("env").and_then(Value::as_object_mut);
    for (name, value) in env.into_iter().flatten() {
        let name = name.to_ascii_uppercase();
        if SECRET_WORDS.iter().any(|word| name.contains(word)) {
            *value = MASKED.into();
        } else if let Some(url) = value.as_str().filter(|text| text.contains("://")) {
            *value = secret::mask(url).into();
        }
    }
    value
}
