//! The configuration as `config show` prints it: valid TOML or JSON, with secrets masked.

mod tables;

use std::fmt::Write;

use figment::value::Value;

use super::{Origin, secret};

/// A value as it was written, and its origin.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// The value; empty for a key without one.
    pub value: Value,
    /// The origin.
    pub origin: Origin,
}

impl Setting {
    /// Returns the value as JSON. Secrets are masked unless `reveal` is set.
    fn shown(&self, reveal: bool) -> serde_json::Value {
        let value = serde_json::to_value(&self.value).unwrap_or_default();
        let is_secret = |text: &&str| !reveal && (self.key.ends_with("redis_url") || text.contains("://"));
        let masked = value.as_str().filter(is_secret).map(secret::mask);
        masked.map_or(value, serde_json::Value::from)
    }
}

/// Renders one line for each value, with its origin if `with_origin` is set. A key without a value is a comment. The output is a
/// valid `--config` file.
pub fn render_toml(settings: &[Setting], with_origin: bool, reveal: bool) -> String {
    let mut text = String::new();
    for setting in settings {
        // JSON and TOML spell strings, numbers, booleans and flat lists alike.
        let value = setting.shown(reveal);
        let line = match value.is_null() {
            true => format!("# {} is not set", setting.key),
            false => format!("{} = {value}", setting.key),
        };
        let written = match with_origin {
            true => writeln!(text, "{line:<56} # {}", setting.origin),
            false => writeln!(text, "{line}"),
        };
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    }
    text
}

/// Renders an object of values, or of `{value, origin}` if `with_origin` is set.
pub fn render_json(settings: &[Setting], with_origin: bool, reveal: bool) -> serde_json::Value {
    let entry = |setting: &Setting| match with_origin {
        true => serde_json::json!({"value": setting.shown(reveal), "origin": setting.origin.to_string()}),
        false => setting.shown(reveal),
    };
    settings.iter().map(|setting| (setting.key.to_owned(), entry(setting))).collect()
}
