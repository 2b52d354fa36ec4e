//! The configuration as `config show` prints it: valid TOML, or JSON; secrets masked.

mod tables;

use std::fmt::Write;

use figment::value::Value;

use super::{Origin, secret};

/// One value as it was written, and by whom.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Which.
    pub key: &'static str,
    /// What.
    pub value: Value,
    /// Who said it.
    pub origin: Origin,
}

impl Setting {
    /// The value as JSON, with what is secret in it masked unless `reveal` is said.
    fn shown(&self, reveal: bool) -> serde_json::Value {
        let value = serde_json::to_value(&self.value).unwrap_or_default();
        let is_secret = |text: &&str| !reveal && (self.key == "redis_url" || text.contains("://"));
        let masked = value.as_str().filter(is_secret).map(secret::mask);
        masked.map_or(value, serde_json::Value::from)
    }
}

/// One line a value, behind each where it came from if `with_origin` is said. The output is a valid `--config` file.
pub fn render_toml(settings: &[Setting], with_origin: bool, reveal: bool) -> String {
    let mut text = String::new();
    for setting in settings {
        // The JSON spelling of strings, numbers, booleans and flat lists is TOML too.
        let line = format!("{} = {}", setting.key, setting.shown(reveal));
        let written = match with_origin {
            true => writeln!(text, "{line:<56} # {}", setting.origin),
            false => writeln!(text, "{line}"),
        };
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    }
    text
}

/// An object of values, or of `{value, origin}` if `with_origin` is said.
pub fn render_json(settings: &[Setting], with_origin: bool, reveal: bool) -> serde_json::Value {
    let entry = |setting: &Setting| match with_origin {
        true => serde_json::json!({"value": setting.shown(reveal), "origin": setting.origin.to_string()}),
        false => setting.shown(reveal),
    };
    settings.iter().map(|setting| (setting.key.to_owned(), entry(setting))).collect()
}
