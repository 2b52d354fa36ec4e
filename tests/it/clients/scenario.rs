//! Scenarios as they stand in `clients/conformance/scenarios`; its README says what they mean.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// A rule.
    pub(super) name: String,
    /// Calls that the server must have for it.
    #[serde(default)]
    pub(super) requires: Vec<String>,
    /// Whether it is about callers with tokens, on a server that knows them.
    #[serde(default)]
    pub(super) tokens: bool,
    /// What happens.
    pub(super) steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum Step {
    /// A command for the runner; with `as`, it is not waited for.
    Do {
        #[serde(rename = "do")]
        command: Value,
        #[serde(rename = "as", default)]
        name: Option<String>,
        #[serde(default)]
        expect: Option<Value>,
        #[serde(default)]
        save: HashMap<String, String>,
    },
    /// The end of a command that was not waited for.
    Wait { wait: String, expect: Value },
    /// What a stream gives, in this order, perhaps with other things in between.
    Items {
        items: String,
        expect: Vec<Value>,
        /// Parts of the last one of them to remember.
        #[serde(default)]
        save: HashMap<String, String>,
    },
    /// A stream gives so many items that have something there, and it is another thing in each.
    Exactly { exactly: String, of: String, count: usize },
    /// No two items of a stream have the same value there.
    Distinct { distinct: String, of: String },
    /// A command, repeated until its answer is as expected.
    Until {
        until: Value,
        expect: Value,
        #[serde(default)]
        save: HashMap<String, String>,
    },
    /// So many jobs of one caller, submitted and cancelled.
    Flood { flood: usize, caller: String },
    /// The server can write nothing for longer than it lets a reader be that takes nothing.
    Stall {
        #[expect(dead_code, reason = "the word is all that is said")]
        stall: bool,
    },
    /// How often the server has answered a call with a code.
    Answered { answered: String, code: String, count: u32 },
    /// Something that the driver does to the log of events.
    Log { log: String },
    /// Something that the driver does to the server.
    Server { server: String },
    /// Something that the driver does to the way to the server.
    Line { line: String },
}

impl Scenario {
    /// All of them, by file and place.
    pub(super) fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/conformance/scenarios");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let read = |file: std::path::PathBuf| {
            let text = std::fs::read_to_string(&file).unwrap();
            let scenarios: Vec<Self> =
                serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
            scenarios
        };
        files.into_iter().flat_map(read).collect()
    }
}

impl Scenario {
    /// Whether the driver has to see what goes over the line.
    pub(super) fn looks_into_the_line(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Line { line } if line == "behead"))
    }

    /// Whether the client is connected in another way at its end.
    pub(super) fn connects(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Do { command, .. } if command["do"] == "connect"))
    }
}

/// Puts values in the place of `${name}`, and texts in the place of `{"$text": [parts]}`.
pub(super) fn fill(template: &Value, values: &HashMap<String, String>) -> Value {
    match template {
        Value::String(text) => Value::String(fill_text(text, values)),
        Value::Array(items) => items.iter().map(|item| fill(item, values)).collect(),
        Value::Object(fields) => match fields.get("$text") {
            Some(Value::Array(parts)) => {
                Value::String(parts.iter().map(|part| part_text(part, values)).collect())
            }
            Some(_) | None => {
                let filled = fields.iter().map(|(key, value)| (key.clone(), fill(value, values)));
                Value::Object(filled.collect::<Map<_, _>>())
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => template.clone(),
    }
}

fn part_text(part: &Value, values: &HashMap<String, String>) -> String {
    match part["times"].as_u64() {
        Some(times) => part["repeat"].as_str().unwrap().repeat(usize::try_from(times).unwrap()),
        None => fill_text(part.as_str().unwrap(), values),
    }
}

fn fill_text(text: &str, values: &HashMap<String, String>) -> String {
    let mut filled = text.to_owned();
    for (name, value) in values {
        filled = filled.replace(&format!("${{{name}}}"), value);
    }
    filled
}
