//! Mistakes in a request, field by field, all at once.

use std::fmt;

use crate::domain::model::text::cut;

/// Violations that are named; more are counted.
const MOST: usize = 20;
/// Longest path of a field.
const FIELD_BYTES: usize = 128;
/// Longest description.
const DESCRIPTION_BYTES: usize = 512;

/// One refused field: where it is, what was wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field as the caller spelled it, e.g. `config.args[3]`; cut where it is long.
    pub field: String,
    /// The mistake and the accepted values; a lowercase fragment without a final period.
    pub description: String,
}

/// Every violation of one request; never empty once it is an error. The first 20 are named and the rest is counted, so
/// that a request with a million mistakes costs no more than one with twenty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Violations {
    named: Vec<Violation>,
    unnamed: usize,
}

impl Violations {
    /// No violation yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A list with exactly one violation.
    pub fn one(field: impl AsRef<str>, description: impl AsRef<str>) -> Self {
        let mut violations = Self::new();
        violations.add(field, description);
        violations
    }

    /// Notes one more violation.
    pub fn add(&mut self, field: impl AsRef<str>, description: impl AsRef<str>) {
        if self.named.len() == MOST {
            self.unnamed += 1;
            return;
        }
        let field = cut(field.as_ref(), FIELD_BYTES).into_owned();
        let description = cut(description.as_ref(), DESCRIPTION_BYTES).into_owned();
        self.named.push(Violation { field, description });
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

    /// Takes over the violations of a part, its field paths put behind `prefix.`; what is wrong with the part as a whole
    /// has no path and becomes one of `prefix` itself.
    pub fn nest(&mut self, prefix: &str, part: Violations) {
        for violation in part.named {
            if violation.field.is_empty() {
                self.add(prefix, violation.description);
            } else {
                self.add(format!("{prefix}.{}", violation.field), violation.description);
            }
        }
        self.unnamed += part.unnamed;
    }

    /// Takes over the violations of another check of the same thing.
    pub fn append(&mut self, other: Violations) {
        for violation in other.named {
            self.add(violation.field, violation.description);
        }
        self.unnamed += other.unnamed;
    }

    /// Ok when nothing was noted.
    pub fn into_result(self) -> Result<(), Violations> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }

    /// True when nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The violations that are named, in the order in which they were noted.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.named.iter()
    }

    /// Returns the number of violations, those that are only counted among them.
    pub fn count(&self) -> usize {
        self.named.len() + self.unnamed
    }

    /// Renders the violations in one line of about `bytes` bytes: as many as fit, and the number of the others.
    pub fn sentence(&self, bytes: usize) -> String {
        let mut text = String::new();
        for (index, Violation { field, description }) in self.named.iter().enumerate() {
            let next = format!("{field}: {description}");
            let separator = if index == 0 { "" } else { "; " };
            if index > 0 && text.len() + separator.len() + next.len() > bytes {
                return format!("{text}; and {} more", self.count() - index);
            }
            text.push_str(separator);
            text.push_str(&cut(&next, bytes));
        }
        if self.unnamed > 0 {
            text = format!("{text}; and {} more", self.unnamed);
        }
        text
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence(usize::MAX))
    }
}

impl std::error::Error for Violations {}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(count: usize) -> Violations {
        let mut violations = Violations::new();
        for index in 0..count {
            violations.add(format!("args[{index}]"), "has a NUL character");
        }
        violations
    }

    #[test]
    fn the_first_ones_are_named_and_the_rest_is_counted() {
        let violations = many(117);
        assert_eq!((violations.iter().count(), violations.count()), (20, 117));
        assert!(violations.to_string().ends_with("args[19]: has a NUL character; and 97 more"));
        let mut whole = many(19);
        whole.nest("config", violations);
        assert_eq!((whole.iter().count(), whole.count()), (20, 136));
        assert_eq!(whole.iter().last().unwrap().field, "config.args[0]");
        let mut joined = many(3);
        joined.append(many(2));
        assert_eq!((joined.iter().count(), joined.count()), (5, 5));
    }

    #[test]
    fn a_sentence_has_what_fits() {
        assert_eq!(many(1).sentence(100), "args[0]: has a NUL character");
        let short = many(30).sentence(70);
        assert_eq!(short, "args[0]: has a NUL character; args[1]: has a NUL character; and 28 more");
        assert_eq!(Violations::one("name", "x".repeat(100)).sentence(12), "name: xxx…");
    }

    #[test]
    fn long_texts_are_cut() {
        let violations = Violations::one("é".repeat(1_000_000), "x".repeat(1_000_000));
        let one = violations.iter().next().unwrap();
        assert!(one.field.len() <= FIELD_BYTES && one.description.len() <= DESCRIPTION_BYTES);
        assert!(one.field.ends_with('…') && one.description.ends_with('…'));
    }

    #[test]
    fn what_is_wrong_with_a_part_as_a_whole_is_said_of_its_field() {
        let mut whole = Violations::new();
        whole.nest("config", Violations::one("", "is too large"));
        assert_eq!(whole.to_string(), "config: is too large");
    }
}
