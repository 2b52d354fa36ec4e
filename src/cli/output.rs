//! Output of commands: tables for people, canonical proto JSON or YAML for programs, ids for pipes.

use std::io::{self, IsTerminal, Write};

use prost::{Message, Name};
use prost_reflect::DynamicMessage;
use serde::Serialize;

use super::table::{Cell, Column, Look, Table};
use super::{Exit, Failure, yaml};
use crate::descriptors;
use crate::printable::{one_line, printable, printable_json};

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table for people.
    Table,
    /// The response as canonical proto JSON, as grpcurl prints it.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Format {
    /// Renders JSON in a form for programs; None for tables.
    ///
    /// # Errors
    /// A value that is no JSON.
    pub fn render<T: Serialize>(self, value: &T) -> Result<Option<String>, Failure> {
        let broken =
            |error: serde_json::Error| Failure::new(Exit::Refused, format!("cannot print it: {error}"));
        Ok(match self {
            Self::Table => None,
            Self::Json => {
                Some(printable_json(&serde_json::to_string_pretty(value).map_err(broken)?).into_owned())
            }
            Self::Yaml => {
                let value = serde_json::to_value(value).map_err(broken)?;
                Some(printable_json(&yaml::render(&value)).into_owned())
            }
        })
    }
}

/// The notice of a command that was only tried.
pub(super) const DRY_RUN: &str = "this was a dry run: nothing was changed";

/// Standard output in one form.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
    quiet: bool,
    raw: bool,
    wide: bool,
}

impl Output {
    /// Makes an output; `quiet` means ids only.
    pub fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet, raw: false, wide: false }
    }

    /// Writes results and log lines to a terminal unescaped, control characters included. Pipes and files always get
    /// them unescaped.
    pub(super) fn with_raw(self, raw: bool) -> Self {
        Self { raw, ..self }
    }

    /// Shows tables on a terminal with all columns and whole cells, as pipes get them.
    pub(super) fn with_wide(self, wide: bool) -> Self {
        Self { wide, ..self }
    }

    /// Returns the form of the output.
    pub(super) fn format(self) -> Format {
        self.format
    }

    /// Prints a response: its ids, its JSON, or a table that fits the terminal.
    pub(super) fn listing<M: Message + Name>(
        self,
        response: &M,
        ids: impl IntoIterator<Item = String>,
        table: impl FnOnce() -> Table,
    ) -> Result<(), Failure> {
        if self.quiet || self.format != Format::Table {
            return self.response(response, ids, String::new);
        }
        self.table(&table())
    }

    /// Prints a table that fits the terminal.
    pub fn table(self, table: &Table) -> Result<(), Failure> {
        self.data(&table.render(Look::of_stdout(self.wide)))
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
        match self.format.render(&dynamic(response)?)? {
            Some(text) => self.data(&text),
            None => self.data(&printable(&table())),
        }
    }

    /// Prints a response: its ids, its JSON, or the text of a script or an actor, unchanged.
    pub(super) fn text_response<M: Message + Name>(
        self,
        response: &M,
        ids: impl IntoIterator<Item = String>,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.quiet || self.format != Format::Table {
            return self.response(response, ids, text);
        }
        self.text(&text())
    }

    /// Prints the text of a script or an actor, unchanged. A terminal gets control characters escaped, unless `--raw`
    /// is given.
    pub(super) fn text(self, text: &str) -> Result<(), Failure> {
        if self.raw || !io::stdout().is_terminal() { self.data(text) } else { self.data(&printable(text)) }
    }

    /// Prints one item of a sequence: its id, its JSON on one line, its YAML as a document of its own, or a line for
    /// people.
    pub(super) fn item<M: Message + Name>(
        self,
        item: &M,
        id: &str,
        line: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match (self.quiet, self.format) {
            (true, _) => self.data(id),
            (false, Format::Json) => {
                let line = serde_json::to_string(&dynamic(item)?);
                self.data(&printable_json(
                    &line.map_err(|error| unprintable(&M::full_name(), &error.to_string()))?,
                ))
            }
            (false, Format::Yaml) => {
                let document = self.format.render(&dynamic(item)?)?;
                self.data(&format!("---\n{}", document.unwrap_or_default()))
            }
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
pub fn print_notice(text: &str) {
    let said = writeln!(io::stderr(), "{}", printable(text));
    drop(said);
}

/// Renders a table of texts as wide as its content, for a part of a longer text.
pub fn table<const N: usize>(
    header: [&'static str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    Table::new(header.map(Column::whole), rows.into_iter().map(|row| row.map(Cell::from))).render(Look::WHOLE)
}

/// Returns a message in the form that is canonical proto JSON when it is serialized.
fn dynamic<M: Message + Name>(message: &M) -> Result<DynamicMessage, Failure> {
    descriptors::dynamic(message).map_err(|why| unprintable(&M::full_name(), &why))
}

fn unprintable(name: &str, why: &str) -> Failure {
    Failure::new(Exit::Refused, format!("cannot print {name}: {why}"))
}
