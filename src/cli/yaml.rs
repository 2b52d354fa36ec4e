//! YAML of what is JSON otherwise. Texts that could be read as something else are in double quotes, in which YAML has
//! the escapes of JSON.

use serde_json::{Map, Value};

/// Words that YAML 1.1 or 1.2 reads as something else than a text.
const WORDS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];

/// Renders a value as one YAML document, without its mark.
pub(super) fn render(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => object(&mut out, map, 0),
        Value::Array(items) if !items.is_empty() => array(&mut out, items, 0),
        Value::Object(_)
        | Value::Array(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_) => {
            out.push_str(&scalar(value));
            out.push('\n');
        }
    }
    out
}

/// Writes the members, each on its line; the first one where the text stands.
fn object(out: &mut String, map: &Map<String, Value>, indent: usize) {
    for (index, (name, value)) in map.iter().enumerate() {
        if index > 0 {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push_str(&text(name));
        out.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent + 2));
                object(out, map, indent + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
                array(out, items, indent);
            }
            Value::Object(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => {
                out.push(' ');
                out.push_str(&scalar(value));
                out.push('\n');
            }
        }
    }
}

/// Writes the items, each on its line; the first one where the text stands.
fn array(out: &mut String, items: &[Value], indent: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => object(out, map, indent + 2),
            Value::Array(items) if !items.is_empty() => array(out, items, indent + 2),
            Value::Object(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => {
                out.push_str(&scalar(item));
                out.push('\n');
            }
        }
    }
}

/// Returns a value that stands on one line: none, or an empty one, of those that hold others.
fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(string) => text(string),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
    }
}

/// Returns a text, in double quotes unless it is plain to every reader.
fn text(text: &str) -> String {
    let first = text.bytes().next().is_some_and(|c| c.is_ascii_alphabetic() || c == b'_' || c == b'/');
    let plain = text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.' | b'/'));
    if first && plain && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return text.to_owned();
    }
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_items_and_empty_ones_have_the_form_that_yaml_wants() {
        let value = json!({
            "jobs": [
                {"jobId": "a-1", "spec": {"labels": {}, "env": {"A B": "x"}}, "tags": ["p", ["q", 1], {"r": []}]},
                "second",
            ],
            "total": 2,
        });
        let expected = "\
jobs:
- jobId: a-1
  spec:
    env:
      \"A B\": x
    labels: {}
  tags:
  - p
  - - q
    - 1
  - r: []
- second
total: 2
";
        assert_eq!(render(&value), expected);
        assert_eq!([render(&json!({})), render(&json!([])), render(&json!("x"))], ["{}\n", "[]\n", "x\n"]);
    }

    #[test]
    fn what_could_be_read_as_something_else_is_quoted() {
        for quoted in
            ["", "true", "No", "12", "1e3", "2026-01-01T00:00:00Z", "- a", "a: b", "a #b", "~", "x\ny", "*a"]
        {
            let shown = text(quoted);
            assert_eq!(serde_json::from_str::<String>(&shown).ok().as_deref(), Some(quoted), "{shown}");
        }
        for plain in ["osis_actor_0", "STATE_RUNNING", "/usr/bin/env", "a.b-c"] {
            assert_eq!(text(plain), plain);
        }
    }
}
