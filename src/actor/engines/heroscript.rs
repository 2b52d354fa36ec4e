//! HeroScript: playbooks of actions, line by line.
//!
//! ```text
//! // a note about the action below
//! !!osis.set type:note title:'two words'
//!     text:"several
//! lines"                                  // to the end of the line
//! ```
//! The rules, which `tests/vectors/heroscript.json` shows by example:
//! * An action is a line that begins with `!` to `!!!!`, a name and perhaps a dot and a second name. The marks tell its
//!   [`ActionKind`]; a single name is that of an action of the actor `core`. Names are lower case, `-` becomes `_`.
//! * Lines below it that are indented by two or more belong to it (a tab counts as four; what all lines have in common
//!   does not count), until a line that is indented less or begins with `!`. Everything else is text and means nothing, so
//!   a playbook can live in Markdown.
//! * Arguments are `key:value`, or a value alone. A value ends at a space, or is quoted with `'` or `"`; a quoted one may
//!   hold line ends and the escapes `\\ \' \" \n \r \t`, and means exactly what it holds. A value may follow its colon
//!   after spaces; where the next key or the end of the line follows instead, it is empty. A word with `://` in it is a
//!   value, not a key.
//! * `//` where an argument could begin starts a comment. Comment lines right above an action belong to it.

mod parser;
mod printer;
pub mod run;
mod variables;

pub use parser::parse;

/// The actions of a text, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Playbook {
    /// Actions, in the order in which they are to be done.
    pub actions: Vec<Action>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Number of marks in front of the action.
    pub kind: ActionKind,
    /// Actor that the action is for; `core` by default.
    pub actor: String,
    /// Name of the action.
    pub name: String,
    /// Arguments, in the order in which they were given; no key twice.
    pub args: Vec<Arg>,
    /// The comment lines above it, joined by line ends.
    pub comment: Option<String>,
    /// Position of the first mark.
    pub place: Place,
}

/// The kind of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionKind {
    /// `!`
    Dal,
    /// `!!`, the usual one.
    Sal,
    /// `!!!`
    Macro,
    /// `!!!!`
    Wal,
}

/// One argument of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// Name of the argument in lower case; None for a value alone.
    pub key: Option<String>,
    /// Value of the argument, without quotes.
    pub value: String,
    /// Position of the first character.
    pub place: Place,
}

/// A place in a text, both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// A text that is no playbook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {message}", place.line, place.column)]
pub struct Mistake {
    /// The mistake, and how to mend it.
    pub message: String,
    /// Position of the mistake.
    pub place: Place,
}

impl ActionKind {
    /// The marks in front of such an action.
    pub fn marks(self) -> &'static str {
        match self {
            Self::Dal => "!",
            Self::Sal => "!!",
            Self::Macro => "!!!",
            Self::Wal => "!!!!",
        }
    }

    fn of_marks(count: usize) -> Option<Self> {
        [Self::Dal, Self::Sal, Self::Macro, Self::Wal].into_iter().find(|kind| kind.marks().len() == count)
    }
}

impl Action {
    /// The value of the argument with this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.args.iter().find(|arg| arg.key.as_deref() == Some(key)).map(|arg| arg.value.as_str())
    }
}

#[cfg(test)]
mod tests;
