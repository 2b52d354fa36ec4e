//! Printer: from a playbook to the text that means it.

use std::fmt::{self, Display, Formatter, Write};

use super::parser::is_space;
use super::{Action, Arg, Playbook};

impl Display for Playbook {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.actions.iter().try_for_each(|action| writeln!(f, "{action}"))
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for line in self.comment.iter().flat_map(|comment| comment.split('\n')) {
            writeln!(f, "{}", format!("// {line}").trim_end_matches(is_space))?;
        }
        write!(f, "{}{}.{}", self.kind.marks(), self.actor, self.name)?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))
    }
}

impl Display for Arg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "{key}:")?;
        }
        // A colon in a value alone could make a key of what is in front of it.
        if is_plain(&self.value) && (self.key.is_some() || !self.value.contains(':')) {
            return f.write_str(&self.value);
        }
        quoted(f, &self.value)
    }
}

/// True when a value means the same without quotes.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && !value.starts_with(['\'', '"', '!'])
        && !value.starts_with("//")
        && !value.contains(is_space)
}

fn quoted(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    f.write_char('\'')?;
    for c in value.chars() {
        match c {
            '\\' => f.write_str(r"\\")?,
            '\'' => f.write_str(r"\'")?,
            '\n' => f.write_str(r"\n")?,
            '\r' => f.write_str(r"\r")?,
            '\t' => f.write_str(r"\t")?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('\'')
}
