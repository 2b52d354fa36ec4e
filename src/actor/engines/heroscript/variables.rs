//! Variables in the arguments of actions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

/// Name of the input of the job.
const INPUT: &str = "INPUT";

/// Variables by name, and the input of the job.
pub(super) struct Variables {
    named: BTreeMap<String, String>,
    /// Null without an input.
    input: Value,
}

impl Variables {
    pub(super) fn new(named: BTreeMap<String, String>, input: Value) -> Self {
        Self { named, input }
    }

    /// Sets a variable.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.named.insert(name.to_owned(), value.to_owned());
    }

    /// Puts variables into a text, once: what they hold is not looked into. Unknown names stay as they are.
    pub(super) fn fill_in(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let found = after.split_once('}').and_then(|(name, behind)| Some((self.get(name)?, behind)));
            match found {
                Some((value, behind)) => {
                    filled.push_str(before.strip_suffix('$').unwrap_or(before));
                    filled.push_str(&value);
                    rest = behind;
                }
                None => {
                    filled.push_str(before);
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled.push_str(rest);
        filled
    }

    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(value) = self.named.get(name) {
            return Some(value.into());
        }
        let path = name.strip_prefix(INPUT)?;
        let mut part = &self.input;
        if !path.is_empty() {
            for step in path.strip_prefix('.')?.split('.') {
                part = match part {
                    Value::Object(fields) => fields.get(step)?,
                    Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
                };
            }
        }
        Some(match part {
            // Without an input there is no such variable; a part that is null is known to be so.
            Value::Null if path.is_empty() => return None,
            Value::String(text) => text.as_str().into(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                part.to_string().into()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)], input: &str) -> Variables {
        let named = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Variables::new(named.collect(), serde_json::from_str(input).unwrap())
    }

    #[test]
    fn variables_are_put_in_once_and_unknown_names_stay() {
        let variables = of(&[("A", "1"), ("B", "{A}"), ("é x", "2")], "null");
        for (text, filled) in [
            ("${A}/{A}", "1/1"),
            ("${B}", "{A}"),
            ("{é x}", "2"),
            ("${C} {C} {} ${} $ { } {A", "${C} {C} {} ${} $ { } {A"),
            ("{{A}}", "{1}"),
            ("$${A}", "$1"),
            (r#"{"a": {A}}"#, r#"{"a": 1}"#),
            ("${INPUT} ${INPUT.a}", "${INPUT} ${INPUT.a}"),
        ] {
            assert_eq!(variables.fill_in(text), filled, "{text}");
        }
    }

    #[test]
    fn parts_of_the_input_are_found_by_their_path() {
        let variables =
            of(&[("INPUT.own", "set")], r#"{"a": {"b": "x y", "é": null}, "list": [1, true], "{A}": 2}"#);
        for (text, filled) in [
            ("${INPUT.a.b}!", "x y!"),
            ("{INPUT.a}", r#"{"b":"x y","é":null}"#),
            ("{INPUT.a.é}", "null"),
            ("{INPUT.list.0} {INPUT.list.1} {INPUT.list}", "1 true [1,true]"),
            (
                "{INPUT.list.2} {INPUT.list.x} {INPUT.a.b.c} {INPUT.} {INPUTS}",
                "{INPUT.list.2} {INPUT.list.x} {INPUT.a.b.c} {INPUT.} {INPUTS}",
            ),
            ("{INPUT.own}", "set"),
        ] {
            assert_eq!(variables.fill_in(text), filled, "{text}");
        }
        assert_eq!(of(&[], "\"text\"").fill_in("<{INPUT}>"), "<text>");
    }
}
