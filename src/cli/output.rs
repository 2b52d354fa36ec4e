//! How answers are printed: tables for people, canonical proto JSON for programs, ids for pipes.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use prost::{Message, Name};
use prost_reflect::DynamicMessage;

use super::{Exit, Failure};
use crate::descriptors;
use crate::printable::{one_line, printable, printable_json};

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// The response as canonical proto JSON, the same that grpcurl shows.
    Json,
}

/// Standard output, in one form.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
    quiet: bool,
    raw: bool,
}

impl Output {
    /// Output of this form; `quiet` means ids only.
    pub fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet, raw: false }
    }

    /// Whether a terminal is given results and lines of scripts and actors as they are, control characters included. Others
    /// always are.
    pub(super) fn with_raw(self, raw: bool) -> Self {
        Self { raw, ..self }
    }

    /// Prints a response: its ids, its JSON, or what `table` makes of it, with control characters as escapes.
    pub(super) fn response<M: Message + Name>(
        self,
        response: &M,
        ids: impl IntoIterator<Item = String>,
        table: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.quiet {
            let ids: Vec<String> = ids.into_iter().collect();
            return self.data(&ids.join("\n"));
        }
        match self.format {
            Format::Json => self.data(&printable_json(&to_json(response)?)),
            Format::Table => self.data(&printable(&table())),
        }
    }

    /// Prints a response: its ids, its JSON, or what a script or an actor has written, as it did.
    pub(super) fn text_response<M: Message + Name>(
        self,
        response: &M,
        ids: impl IntoIterator<Item = String>,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.quiet || self.format == Format::Json {
            return self.response(response, ids, text);
        }
        self.text(&text())
    }

    /// Prints what a script or an actor has written, as it did. A terminal gets control characters as escapes, unless
    /// `--raw` was said.
    pub(super) fn text(self, text: &str) -> Result<(), Failure> {
        if self.raw || !io::stdout().is_terminal() { self.data(text) } else { self.data(&printable(text)) }
    }

    /// Prints one of many items that come one after another: its id, its JSON on one line, or a line for people.
    pub(super) fn item<M: Message + Name>(
        self,
        item: &M,
        id: &str,
        line: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match (self.quiet, self.format) {
            (true, _) => self.data(id),
            (false, Format::Json) => self.data(&printable_json(&dynamic(item, serde_json::to_string)?)),
            (false, Format::Table) => self.data(&one_line(line().trim_end_matches('\n'))),
        }
    }

    /// Prints data as it stands, and a line end if it has none.
    pub fn data(self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    /// Says something to the person at the terminal, unless only ids are wanted.
    pub(super) fn notice(self, text: &str) {
        if !self.quiet {
            print_notice(text);
        }
    }
}

/// Says something on standard error, with control characters as escapes. Whoever closed it does not want to hear it.
pub(super) fn print_notice(text: &str) {
    let said = writeln!(io::stderr(), "{}", printable(text));
    drop(said);
}

/// A table without lines, wide as its content. Each row is one line: control characters are escapes, line ends too.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| one_line(&cell).into_owned()));
    }
    let trimmed = table.to_string();
    trimmed.lines().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line).trim_end())).collect()
}

/// The canonical proto JSON of a message, indented.
fn to_json<M: Message + Name>(message: &M) -> Result<String, Failure> {
    dynamic(message, serde_json::to_string_pretty)
}

/// The canonical proto JSON of a message in some form.
fn dynamic<M: Message + Name>(
    message: &M,
    form: impl FnOnce(&DynamicMessage) -> serde_json::Result<String>,
) -> Result<String, Failure> {
    let name = M::full_name();
    let broken = |why: String| Failure::new(Exit::Refused, format!("cannot print {name} as JSON: {why}"));
    let message = descriptors::dynamic(message).map_err(broken)?;
    form(&message).map_err(|error| broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_whatever_is_in_it() {
        let rows = [["a\nb".to_owned(), "\x1b[2J\rx".to_owned()], ["c".to_owned(), "d".to_owned()]];
        let shown = table(["ONE", "TWO"], rows);
        assert_eq!(shown.lines().count(), 3, "{shown}");
        assert!(shown.contains(r"a\nb") && shown.contains(r"\u{1b}[2J\u{d}x"), "{shown}");
    }
}
