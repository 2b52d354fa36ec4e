//! What is wrong with a request, field by field, all at once.

use std::fmt;

/// One refused field: where it is, what was wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field as the caller spelled it, e.g. `config.args[3]`.
    pub field: String,
    /// What was wrong and what would be accepted; a lowercase fragment without a final period.
    pub description: String,
}

/// Every violation of one request; never empty once it is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// No violation yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A list with exactly one violation.
    pub fn one(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Self::new();
        violations.add(field, description);
        violations
    }

    /// Notes one more violation.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation { field: field.into(), description: description.into() });
    }

    /// Keeps the value, or notes why there is none.
    pub fn keep<T>(&mut self, field: &str, parsed: Result<T, String>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(description) => {
                self.add(field, description);
                None
            }
        }
    }

    /// Takes over the violations of a part, its field paths put behind `prefix.`.
    pub fn nest(&mut self, prefix: &str, part: Violations) {
        for violation in part.0 {
            self.add(format!("{prefix}.{}", violation.field), violation.description);
        }
    }

    /// Takes over the violations of another check of the same thing.
    pub fn append(&mut self, other: Violations) {
        self.0.extend(other.0);
    }

    /// Ok when nothing was noted.
    pub fn into_result(self) -> Result<(), Violations> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// True when nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The violations in the order in which they were noted.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", violation.field, violation.description)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}
