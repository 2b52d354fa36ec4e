//! Patterns of names: exact, or with a `*` at the end.

use std::fmt;

use crate::domain::model::job::MAX_NAME_BYTES;
use crate::domain::model::text::has_hidden;

/// A name, or the beginning of names followed by `*`. A lone `*` matches every name, also the empty one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// The length of what is compared; less than that of the text with a `*`.
    compared: usize,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// The fault: empty, too long, a `*` before the end, or characters that do not show.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let name = raw.strip_suffix('*').unwrap_or(raw);
        if raw.is_empty() {
            return Err("is empty: write a name, or * for every name".to_owned());
        }
        if name.contains('*') {
            return Err(format!(
                "is {raw:?}: a * stands for the rest of a name, so it can only be the last character"
            ));
        }
        if raw.len() > MAX_NAME_BYTES {
            return Err(format!("has {} bytes, more than the {MAX_NAME_BYTES} of a name", raw.len()));
        }
        if has_hidden(raw) {
            return Err(format!("is {raw:?}, which has characters that do not show"));
        }
        Ok(Self { text: raw.to_owned(), compared: name.len() })
    }

    /// Returns the pattern of all names.
    pub fn any() -> Self {
        Self { text: "*".to_owned(), compared: 0 }
    }

    /// Returns true if the name matches.
    pub fn matches(&self, name: &str) -> bool {
        match self.text.get(..self.compared) {
            Some(start) if self.compared < self.text.len() => name.starts_with(start),
            Some(_) | None => name == self.text,
        }
    }

    /// Returns the name, if only one matches.
    pub fn exact(&self) -> Option<&str> {
        (self.compared == self.text.len()).then_some(self.text.as_str())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_the_rest_of_a_name() {
        let table = [
            ("billing", "billing", true),
            ("billing", "billing-eu", false),
            ("billing-*", "billing-eu", true),
            ("billing-*", "billing", false),
            ("*", "", true),
            ("*", "anybody", true),
            ("é*", "école", true),
        ];
        for (pattern, name, matches) in table {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(name), matches, "{pattern} {name}");
        }
        assert_eq!(Pattern::parse("a").unwrap().exact(), Some("a"));
        assert_eq!(Pattern::any().exact(), None);
    }

    #[test]
    fn a_pattern_that_cannot_be_meant_is_refused() {
        for wrong in ["", "a*b", "**", "a\n", &"x".repeat(MAX_NAME_BYTES + 1)] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
