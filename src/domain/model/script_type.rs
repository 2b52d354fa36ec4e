//! The kinds of scripts that actors run.

use std::fmt;
use std::ops::{Index, IndexMut};

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
    pub const fn as_str(self) -> &'static str {
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

/// One value for each script type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerScriptType<T>([T; ScriptType::ALL.len()]);

impl<T> PerScriptType<T> {
    /// Makes the value of each script type.
    pub fn from_fn(make: impl FnMut(ScriptType) -> T) -> Self {
        Self(ScriptType::ALL.map(make))
    }

    /// The values with their script types, in the order of [`ScriptType::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (ScriptType, &T)> {
        ScriptType::ALL.into_iter().zip(&self.0)
    }

    /// The values with their script types, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ScriptType, &mut T)> {
        ScriptType::ALL.into_iter().zip(&mut self.0)
    }

    /// The values alone, in the order of [`ScriptType::ALL`].
    pub fn values(&self) -> &[T] {
        &self.0
    }
}

impl<T: Default> Default for PerScriptType<T> {
    fn default() -> Self {
        Self::from_fn(|_script_type| T::default())
    }
}

impl<T> Index<ScriptType> for PerScriptType<T> {
    type Output = T;

    fn index(&self, script_type: ScriptType) -> &T {
        &self.0[script_type.index()]
    }
}

impl<T> IndexMut<ScriptType> for PerScriptType<T> {
    fn index_mut(&mut self, script_type: ScriptType) -> &mut T {
        &mut self.0[script_type.index()]
    }
}

impl<T> IntoIterator for PerScriptType<T> {
    type Item = (ScriptType, T);
    type IntoIter = std::iter::Zip<
        std::array::IntoIter<ScriptType, { ScriptType::ALL.len() }>,
        std::array::IntoIter<T, { ScriptType::ALL.len() }>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        ScriptType::ALL.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_script_type_has_its_own_place() {
        for (index, script_type) in ScriptType::ALL.into_iter().enumerate() {
            assert_eq!(script_type.index(), index, "{script_type}");
        }
        let mut words = PerScriptType::from_fn(ScriptType::as_str);
        words[ScriptType::V] = "changed";
        assert_eq!(words.values(), ["osis", "sal", "changed", "python"]);
        assert!(words.iter().all(|(script_type, word)| *word == words[script_type]));
    }
}
