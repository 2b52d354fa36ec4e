//! Whether an answer is what a scenario expects. An expectation says what matters; an answer may hold more.

use serde_json::Value;

/// What is different, with the path to it.
pub(super) fn difference(expected: &Value, found: &Value) -> Option<String> {
    at("", expected, found)
}

fn at(path: &str, expected: &Value, found: &Value) -> Option<String> {
    let differs = || Some(format!("{path}: expected {expected}, found {}", super::brief(found)));
    if let Some((matcher, operand)) = matcher(expected) {
        let matches = match matcher {
            "$any" => !found.is_null(),
            "$absent" => found.is_null(),
            "$contains" => {
                found.as_str().zip(operand.as_str()).is_some_and(|(text, part)| text.contains(part))
            }
            "$length" => operand.as_u64() == length(found),
            "$atLeast" => found.as_f64() >= operand.as_f64(),
            other => return Some(format!("{path}: {other} is no matcher")),
        };
        return if matches { None } else { differs() };
    }
    match (expected, found) {
        (Value::Object(expected), Value::Object(_)) => expected.iter().find_map(|(key, value)| {
            at(&format!("{path}/{key}"), value, found.get(key).unwrap_or(&Value::Null))
        }),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let pairs = expected.iter().zip(found).enumerate();
            pairs
                .into_iter()
                .find_map(|(index, (expected, found))| at(&format!("{path}/{index}"), expected, found))
        }
        _ => (expected != found).then(differs).flatten(),
    }
}

/// `{"$name": operand}`.
fn matcher(expected: &Value) -> Option<(&str, &Value)> {
    let (key, operand) = expected.as_object().filter(|object| object.len() == 1)?.iter().next()?;
    key.starts_with('$').then_some((key.as_str(), operand))
}

fn length(found: &Value) -> Option<u64> {
    let length = match found {
        Value::Array(items) => items.len(),
        Value::String(text) => text.chars().count(),
        Value::Null => 0,
        Value::Object(fields) => fields.len(),
        Value::Bool(_) | Value::Number(_) => return None,
    };
    u64::try_from(length).ok()
}
