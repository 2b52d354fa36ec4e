//! Names of queues.

use std::fmt;

use crate::domain::model::script_type::ScriptType;
use crate::domain::model::text::quoted;

/// Longest name of a queue, in bytes.
const LONGEST: usize = 63;

/// Name of a queue: 1 to 63 of `[a-z0-9_-]`, beginning with a letter or a digit.
///
/// A queue has the jobs that wait, the jobs that actors hold, and the actors that take them. Each script type has a default queue
/// of the same name. The name is kept in place, so it is copied like a number and needs no memory of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName {
    // Behind the name there are zeros, which sort before all that a name may have: names sort as their texts do.
    bytes: [u8; LONGEST],
    length: u8,
}

impl QueueName {
    /// The default queues, in the order of [`ScriptType::ALL`].
    pub const DEFAULTS: [Self; ScriptType::ALL.len()] = {
        let mut names = [Self::of_text("osis"); ScriptType::ALL.len()];
        let mut index = 0;
        while index < names.len() {
            names[index] = Self::default_of(ScriptType::ALL[index]);
            index += 1;
        }
        names
    };

    /// Returns the default queue of a script type.
    pub const fn default_of(script_type: ScriptType) -> Self {
        Self::of_text(script_type.as_str())
    }

    /// Accepts a well-formed name.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let allowed = |c: u8| plain(c) || matches!(c, b'_' | b'-');
        // A name that begins with a dash would be an option to every command that is given it.
        let starts_well = raw.bytes().next().is_some_and(plain);
        if starts_well && raw.len() <= LONGEST && raw.bytes().all(allowed) {
            return Ok(Self::of_text(raw));
        }
        Err(format!(
            "{} is not a queue name: use 1 to {LONGEST} of a-z, 0-9, _ and -, starting with a letter or a digit",
            quoted(raw)
        ))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    /// Returns the script type whose default queue this is; None for a queue of another name.
    pub fn default_type(&self) -> Option<ScriptType> {
        ScriptType::ALL.into_iter().find(|script_type| script_type.as_str() == self.as_str())
    }

    /// Copies a text that is no longer than a name.
    const fn of_text(text: &str) -> Self {
        let mut bytes = [0; LONGEST];
        let (text, mut length) = (text.as_bytes(), 0);
        while length < text.len() {
            bytes[length] = text[length];
            length += 1;
        }
        // The text has at most 63 bytes.
        Self { bytes, length: length.to_le_bytes()[0] }
    }
}

impl From<ScriptType> for QueueName {
    fn from(script_type: ScriptType) -> Self {
        Self::default_of(script_type)
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A queue and the script type of its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypedQueue {
    /// Name of the queue.
    pub name: QueueName,
    /// Script type of its jobs and actors.
    pub script_type: ScriptType,
}

impl From<ScriptType> for TypedQueue {
    fn from(script_type: ScriptType) -> Self {
        Self { name: script_type.into(), script_type }
    }
}

impl fmt::Display for TypedQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_script_type_has_its_default_queue() {
        for (name, script_type) in QueueName::DEFAULTS.into_iter().zip(ScriptType::ALL) {
            assert_eq!((name.as_str(), name.default_type()), (script_type.as_str(), Some(script_type)));
            assert_eq!(QueueName::parse(script_type.as_str()), Ok(script_type.into()));
        }
        assert_eq!(QueueName::parse("python-gpu").unwrap().default_type(), None);
    }

    #[test]
    fn names_are_lowercase_and_have_at_most_63_characters() {
        for good in ["a", "7", "python-gpu", "v_", &"a".repeat(63)] {
            assert_eq!(QueueName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "OSIS", "-a", "_a", "a.b", "a b", "a*", "{a}", "a:b", "é", "a\n", &"a".repeat(64)] {
            assert!(QueueName::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn names_sort_and_equal_as_their_texts_do(a in "[a-z0-9][a-z0-9_-]{0,62}", b in "[a-z0-9][a-z0-9_-]{0,3}") {
            let names = (QueueName::parse(&a).unwrap(), QueueName::parse(&b).unwrap());
            prop_assert_eq!(names.0.cmp(&names.1), a.cmp(&b));
            prop_assert_eq!((names.0.as_str(), names.1.as_str()), (a.as_str(), b.as_str()));
        }
    }
}
