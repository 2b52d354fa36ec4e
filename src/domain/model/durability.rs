//! The servers of the queue that know of a change before it counts.

/// Servers that know of a job before its submit is answered, before its script is started, and before its actor forgets its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// The primary. A failover can cost what no replica had.
    #[default]
    Primary,
    /// A replica as well.
    Replicated,
}

impl Durability {
    /// Parses the word of configurations and command lines.
    ///
    /// # Errors
    /// Another word.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word {
            "primary" => Ok(Self::Primary),
            "replicated" => Ok(Self::Replicated),
            other => Err(format!("{other:?} is no durability: use primary or replicated")),
        }
    }

    /// Returns the word of configurations and command lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replicated => "replicated",
        }
    }
}
