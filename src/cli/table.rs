//! Tables: cut to the width of a terminal, with colour for trouble; whole and plain for everybody else.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{IsTerminal, stdout};

use unicode_width::UnicodeWidthChar;

use crate::printable::one_line;

/// Columns of a terminal between two columns of a table.
const GAP: usize = 2;
/// Least width of a column that is cut, before another column is left out instead.
const LEAST_CUT: usize = 12;
/// First characters of a UUIDv7 that have its time, to the millisecond.
const TIME_OF_UUID: usize = 13;

/// Treatment of a column where the table is too wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// The column stays as it is.
    Whole,
    /// The cells of the column are cut.
    Cut,
    /// The column is left out, those with a lower number first.
    Leave(u8),
    /// The column is not shown on terminals without `--wide`.
    Wide,
}

/// A column: its heading, and what happens to it where the table is too wide.
#[derive(Debug, Clone)]
pub struct Column {
    name: Cow<'static, str>,
    fit: Fit,
}

impl Column {
    /// Makes a column that stays as it is.
    pub const fn whole(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), fit: Fit::Whole }
    }

    /// Makes a column whose cells are cut.
    pub const fn cut(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), fit: Fit::Cut }
    }

    /// Makes a column that is left out, those with a lower number first.
    pub const fn leave(name: &'static str, order: u8) -> Self {
        Self { name: Cow::Borrowed(name), fit: Fit::Leave(order) }
    }

    /// Makes a column that somebody has asked for by its name.
    pub fn named(name: &str) -> Self {
        Self { name: Cow::Owned(name.to_owned()), fit: Fit::Cut }
    }

    /// Makes a column that is not shown on terminals without `--wide`.
    pub const fn wide(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), fit: Fit::Wide }
    }
}

/// Emphasis of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Warning,
    Trouble,
}

impl Tone {
    fn of(state: &str) -> Self {
        match state {
            "failed" | "unhealthy" | "error" | "crash_loop" | "unavailable" | "lost" => Self::Trouble,
            "backoff" | "cancelled" | "degraded" | "draining" | "paused" | "retry_wait" | "unknown"
            | "warning" => Self::Warning,
            _fine => Self::Plain,
        }
    }

    /// The order to a terminal that begins this tone.
    fn begin(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Warning => "\x1b[33m",
            Self::Trouble => "\x1b[31m",
        }
    }
}

/// A cell. It is one line: control characters and line ends are escaped.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    /// The form for terminals, if it is shorter.
    short: Option<String>,
    tone: Tone,
}

impl Cell {
    /// Makes a cell with the name of a state, which is coloured if the state is trouble.
    pub fn state(state: String) -> Self {
        let tone = Tone::of(&state);
        Self { tone, ..Self::from(state) }
    }

    /// Makes a cell with a number of bad things, which is coloured unless it is 0.
    pub fn bad_count(count: i32) -> Self {
        let tone = if count > 0 { Tone::Trouble } else { Tone::Plain };
        Self { tone, ..Self::from(count.to_string()) }
    }

    /// Makes a cell with an id and its short form for terminals.
    pub fn id(id: &str, short: String) -> Self {
        Self { short: Some(one_line(&short).into_owned()), ..Self::from(id.to_owned()) }
    }

    fn shown(&self, look: Look) -> &str {
        match (&self.short, look.width) {
            (Some(short), Some(_)) => short,
            (Some(_), None) | (None, _) => &self.text,
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text: one_line(&text).into_owned(), short: None, tone: Tone::Plain }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// The look of a table: the width that it has to fit, if any, and whether it has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    width: Option<usize>,
    color: bool,
}

impl Look {
    /// Everything, without colours.
    pub const WHOLE: Self = Self { width: None, color: false };

    /// Returns the look for standard output: that of the terminal, or everything for pipes and files.
    pub fn of_stdout(wide: bool) -> Self {
        if !stdout().is_terminal() {
            return Self::WHOLE;
        }
        let width = terminal_size::terminal_size_of(stdout()).map(|(width, _)| usize::from(width.0));
        let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let color = said("NO_COLOR").is_none() && said("TERM").is_none_or(|terminal| terminal != "dumb");
        Self { width: width.filter(|width| !wide && *width > 0), color }
    }

    /// Returns true for colours.
    pub(super) fn has_color(self) -> bool {
        self.color
    }
}

/// A table without lines between its cells.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Makes a table.
    pub fn new<const N: usize>(columns: [Column; N], rows: impl IntoIterator<Item = [Cell; N]>) -> Self {
        Self { columns: columns.to_vec(), rows: rows.into_iter().map(Vec::from).collect() }
    }

    /// Adds a column at the end, with one cell for each row.
    pub fn add(&mut self, column: Column, cells: impl IntoIterator<Item = Cell>) {
        self.columns.push(column);
        for (row, cell) in self.rows.iter_mut().zip(cells) {
            row.push(cell);
        }
    }

    /// Renders the table. No line is wider than the look allows.
    pub fn render(&self, look: Look) -> String {
        let mut out = String::new();
        for line in self.parts(look) {
            let mut text = String::new();
            for (part, tone) in line {
                match if look.color { tone.begin() } else { "" } {
                    "" => text.push_str(&part),
                    begin => text.extend([begin, part.as_str(), "\x1b[0m"]),
                }
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
        out
    }

    /// Returns the heading and the rows in parts with their tones, for a screen of so many columns.
    pub(super) fn lines(&self, width: usize) -> Vec<Vec<(String, Tone)>> {
        self.parts(Look { width: Some(width), color: true })
    }

    fn parts(&self, look: Look) -> Vec<Vec<(String, Tone)>> {
        let layout = self.layout(look);
        let mut lines = Vec::new();
        let header: Vec<Cell> = self.columns.iter().map(|column| Cell::from(&*column.name)).collect();
        for row in std::iter::once(&header).chain(&self.rows) {
            let mut line = Line { room: look.width.unwrap_or(usize::MAX), ..Line::default() };
            for (index, width) in &layout {
                if let Some(cell) = row.get(*index) {
                    line.add(cell.shown(look), *width, cell.tone);
                }
            }
            lines.push(line.parts);
        }
        lines
    }

    /// Returns the columns that are shown, by their index, with their widths.
    fn layout(&self, look: Look) -> Vec<(usize, usize)> {
        let widest = |index: usize| {
            let cells =
                self.rows.iter().filter_map(|row| row.get(index)).map(|cell| width_of(cell.shown(look)));
            cells.chain(self.columns.get(index).map(|column| width_of(&column.name))).max().unwrap_or(0)
        };
        let mut all: Vec<(usize, usize, Fit)> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| (index, widest(index), column.fit))
            .collect();
        if let Some(limit) = look.width {
            all.retain(|(_, _, fit)| *fit != Fit::Wide);
            fit_into(&mut all, limit);
        }
        all.into_iter().map(|(index, width, _)| (index, width)).collect()
    }
}

/// Cuts and leaves out columns until all of them fit, as far as that can be.
fn fit_into(columns: &mut Vec<(usize, usize, Fit)>, limit: usize) {
    loop {
        let gaps = GAP * columns.len().saturating_sub(1);
        let fixed: usize =
            columns.iter().filter(|(_, _, fit)| *fit != Fit::Cut).map(|(_, width, _)| width).sum();
        let room = limit.saturating_sub(gaps + fixed);
        let cut: Vec<usize> =
            columns.iter().filter(|(_, _, fit)| *fit == Fit::Cut).map(|(_, width, _)| *width).collect();
        let least: usize = cut.iter().map(|width| (*width).min(LEAST_CUT)).sum();
        let next = columns.iter().enumerate().filter_map(|(at, (_, _, fit))| match fit {
            Fit::Leave(order) => Some((*order, at)),
            Fit::Whole | Fit::Cut | Fit::Wide => None,
        });
        if let Some((_, at)) = next.min().filter(|_| gaps + fixed + least > limit) {
            columns.remove(at);
            continue;
        }
        // The widest ones give first, so that short ones stay whole.
        let level = level(&cut, room);
        for (_, width, _) in columns.iter_mut().filter(|(_, _, fit)| *fit == Fit::Cut) {
            *width = (*width).min(level);
        }
        return;
    }
}

/// Returns the highest width at which columns of these widths, cut to it, fit into the room together; at least 1.
fn level(widths: &[usize], room: usize) -> usize {
    let (mut low, mut high) = (1, widths.iter().copied().max().unwrap_or(1).max(1));
    while low < high {
        let middle = (low + high).div_ceil(2);
        if widths.iter().map(|width| (*width).min(middle)).sum::<usize>() <= room {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// A line that grows to its room.
#[derive(Default)]
struct Line {
    parts: Vec<(String, Tone)>,
    /// Columns of a terminal that are free.
    room: usize,
    /// Spaces before the next cell.
    owed: usize,
}

impl Line {
    fn add(&mut self, text: &str, width: usize, tone: Tone) {
        if self.owed >= self.room {
            self.room = 0;
            return;
        }
        self.room -= self.owed;
        if self.owed > 0 {
            self.parts.push((" ".repeat(self.owed), Tone::Plain));
        }
        let shown = cut(text, width.min(self.room));
        let taken = width_of(&shown).min(self.room);
        self.room -= taken;
        self.owed = width.saturating_sub(taken) + GAP;
        self.parts.push((shown, tone));
    }
}

/// Returns the columns of a terminal that a text takes.
fn width_of(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Returns a text that takes at most so many columns of a terminal; one that is cut ends with `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let mut short = String::new();
    for c in text.chars() {
        let taken = c.width().unwrap_or(0);
        if taken > room {
            break;
        }
        room -= taken;
        short.push(c);
    }
    if width > 0 {
        short.push('…');
    }
    short
}

/// Returns short forms of ids, which are different as long as the ids are: of UUIDs as many first characters as tell
/// them from all others here, and at least their time; all other ids unchanged.
pub(super) fn short_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let ids: Vec<&str> = ids.into_iter().collect();
    let sorted: BTreeSet<&str> = ids.iter().copied().collect();
    let sorted: Vec<&str> = sorted.into_iter().collect();
    let shorten = |id: &&str| {
        if !is_uuid(id) {
            return (*id).to_owned();
        }
        let at = sorted.binary_search(id).unwrap_or(0);
        let neighbours = [at.checked_sub(1), at.checked_add(1)];
        let neighbours = neighbours.into_iter().flatten().filter_map(|at| sorted.get(at));
        let common = neighbours.map(|other| common_prefix(id, other)).max().unwrap_or(0);
        id.get(..(common + 1).max(TIME_OF_UUID)).unwrap_or(id).to_owned()
    };
    ids.iter().map(shorten).collect()
}

/// Returns true for the form of a UUID: 36 characters, hexadecimal digits and four dashes.
pub(super) fn is_uuid(text: &str) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, c)| if dash(at) { c == b'-' } else { c.is_ascii_hexdigit() })
}

fn common_prefix(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests;
