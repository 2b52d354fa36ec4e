//! The kinds of scripts that actors run.

use std::fmt;

/// The language family of a job, and with it the queue that it waits in and the actors that can take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScriptType {
    /// Rhai and HeroScript, strictly one after another in the order of submission.
    OSIS,
    /// Rhai with the functions of the System Abstraction Layer, several at a time.
    SAL,
    /// The V language, compiled and run.
    V,
    /// Python, one forked interpreter a job.
    Python,
}

impl ScriptType {
    /// Every script type, in the order in which they are shown.
    pub const ALL: [ScriptType; 4] = [Self::OSIS, Self::SAL, Self::V, Self::Python];

    /// The word used in keys, flags and config: `osis`, `sal`, `v` or `python`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OSIS => "osis",
            Self::SAL => "sal",
            Self::V => "v",
            Self::Python => "python",
        }
    }

    /// Position in [`ScriptType::ALL`].
    pub fn index(self) -> usize {
        match self {
            Self::OSIS => 0,
            Self::SAL => 1,
            Self::V => 2,
            Self::Python => 3,
        }
    }

    /// The script type with this word, in any case.
    ///
    /// # Errors
    /// Names the four words.
    pub fn parse(raw: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|script_type| script_type.as_str().eq_ignore_ascii_case(raw))
            .ok_or_else(|| format!("{raw:?} is not a script type: use osis, sal, v or python"))
    }
}

impl fmt::Display for ScriptType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
