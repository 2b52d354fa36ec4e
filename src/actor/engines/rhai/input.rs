//! The input of the job that runs: JSON text, parsed when a script first asks for it.

use rhai::Dynamic;
use serde_json::Value;

/// The input of one job.
#[derive(Default)]
pub(super) struct Input {
    text: Option<String>,
    /// The parsed text. Each use of the constant copies it, since a script could change a value that is shared.
    value: Option<Dynamic>,
}

impl Input {
    pub(super) fn new(text: Option<&str>) -> Self {
        Self { text: text.map(str::to_owned), value: None }
    }

    /// The value of the constant `INPUT`; `()` without an input.
    ///
    /// # Errors
    /// Says why the text is not JSON. Callers of the API are refused such an input before.
    pub(super) fn value(&mut self) -> Result<Dynamic, String> {
        if let Some(value) = &self.value {
            return Ok(value.clone());
        }
        let value = match &self.text {
            None => Dynamic::UNIT,
            Some(text) => serde_json::from_str::<Dynamic>(text).map_err(|error| not_json(&error))?,
        };
        Ok(self.value.insert(value).clone())
    }

    /// The input as a tree, for variables like `INPUT.customer.name`; null without an input.
    ///
    /// # Errors
    /// Says why the text is not JSON.
    pub(super) fn tree(&self) -> Result<Value, String> {
        match &self.text {
            None => Ok(Value::Null),
            Some(text) => serde_json::from_str(text).map_err(|error| not_json(&error)),
        }
    }
}

fn not_json(error: &serde_json::Error) -> String {
    format!("INPUT: the input of the job is not JSON: {error}")
}
