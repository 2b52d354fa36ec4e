//! Output of commands: tables for people, canonical proto JSON for programs, ids for pipes.

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
    /// A table for people.
    Table,
    /// The response as canonical proto JSON, as grpcurl prints it.
    Json,
}

/// Standard output in one form.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
    quiet: bool,
    raw: bool,
}

impl Output {
    /// Makes an output; `quiet` means ids only.
    pub fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet, raw: false }
    }

    /// Writes results and log lines to a terminal unescaped, control characters included. Pipes and files always get
    /// them unescaped.
    pub(super) fn with_raw(self, raw: bool) -> Self {
        Self { raw, ..self }
    }

    /// Prints a response: its ids, its JSON, or its table with control characters escaped.
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

    /// Prints a response: its ids, its JSON, or the text of a script or an actor, unchanged.
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

    /// Prints the text of a script or an actor, unchanged. A terminal gets control characters escaped, unless `--raw`
    /// is given.
    pub(super) fn text(self, text: &str) -> Result<(), Failure> {
        if self.raw || !io::stdout().is_terminal() { self.data(text) } else { self.data(&printable(text)) }
    }

    /// Prints one item of a sequence: its id, its JSON on one line, or a line for people.
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

    /// Prints data unchanged, and a line end if the data has none.
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

    /// Prints a notice for the person at the terminal, unless only ids are wanted.
    pub(super) fn notice(self, text: &str) {
        if !self.quiet {
            print_notice(text);
        }
    }
}

/// Prints a notice on standard error, with control characters escaped. A closed standard error is ignored.
pub(super) fn print_notice(text: &str) {
    let said = writeln!(io::stderr(), "{}", printable(text));
    drop(said);
}

/// Renders a table without lines, as wide as its content. Each row is one line: control characters and line ends are
/// escaped.
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

/// Returns the canonical proto JSON of a message, indented.
fn to_json<M: Message + Name>(message: &M) -> Result<String, Failure> {
    dynamic(message, serde_json::to_string_pretty)
}

/// Returns the canonical proto JSON of a message in the given form.
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
