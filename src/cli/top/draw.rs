//! Draws the overview, a log or the list of keys.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::content::Content;
use super::overview::Overview;
use super::view::{Mode, Pane, View};
use crate::cli::table::{Tone, cut};
use crate::printable::one_line;

/// Lines below which only the pane that keys go to is shown.
const FEW_LINES: usize = 16;
/// Mark before the selected row.
const MARK: &str = "› ";

const HELP: [&str; 17] = [
    "  Tab, Shift-Tab   the next pane, the one before: queues, actors, jobs",
    "  ↑ ↓ j k          select a row; PgUp, PgDn, Home, End as well",
    "  Enter, l         follow the log of the selected actor or job",
    "  s                start the actor, or stop it after its jobs",
    "  r                restart the actor after its jobs",
    "  p                pause the queue, or let it go on",
    "  c                cancel the job",
    "  /                show only rows with a text; Enter keeps it, Esc clears it",
    "  ?                these keys",
    "  q, Ctrl-C        quit",
    "",
    "  What ends something is asked first. Jobs are those that run, those that wait,",
    "  and the last that have ended. Usage is that of an actor with all its",
    "  processes, sampled every 5 seconds.",
    "",
    "  Any key closes this.",
    "",
];

/// The state of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Connection {
    Connecting,
    Live,
    /// Lost, with the reason.
    Lost(String),
}

/// Everything that is drawn.
pub(super) struct Screen<'a> {
    pub(super) overview: &'a Overview,
    pub(super) content: &'a Content,
    pub(super) view: &'a View,
    pub(super) connection: &'a Connection,
    pub(super) log: &'a VecDeque<String>,
    pub(super) color: bool,
}

impl Screen<'_> {
    /// Draws all of it.
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        let mut lines = vec![self.heading(width)];
        let room = height.saturating_sub(2);
        match &self.view.mode {
            Mode::Help => lines.extend(HELP.iter().take(room).map(|line| Line::from(cut(line, width)))),
            Mode::Log { title, up } => lines.extend(self.log_lines(title, *up, width, room)),
            Mode::List | Mode::Filter | Mode::Confirm { .. } => lines.extend(self.panes(width, room)),
        }
        lines.resize(height.saturating_sub(1), Line::default());
        lines.push(self.bottom(width));
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn heading(&self, width: usize) -> Line<'static> {
        let (text, tone) = match self.connection {
            Connection::Connecting => ("connecting".to_owned(), Tone::Warning),
            Connection::Live if self.overview.ready => (format!("live: {}", self.content.sum), Tone::Plain),
            Connection::Live => ("reading what there is".to_owned(), Tone::Warning),
            Connection::Lost(why) => {
                let why = why.lines().next().unwrap_or_default();
                (format!("connection lost, reconnecting: {}", one_line(why)), Tone::Trouble)
            }
        };
        Line::from(Span::styled(cut(&text, width), self.style(tone).add_modifier(Modifier::BOLD)))
    }

    /// Lines of the panes, for so many lines in all.
    fn panes(&self, width: usize, room: usize) -> Vec<Line<'static>> {
        if room < FEW_LINES {
            return self.pane(self.view.pane, width, room);
        }
        let queues = self.content.rows.keys.first().map_or(0, Vec::len) + 1;
        let queues = queues.clamp(2, room / 3);
        let rest = room.saturating_sub(queues + 2);
        let mut lines = Vec::new();
        for (pane, room) in Pane::ALL.into_iter().zip([queues, rest / 2, rest - rest / 2]) {
            let mut part = self.pane(pane, width, room);
            part.resize(room, Line::default());
            if pane != Pane::Queues {
                lines.push(Line::default());
            }
            lines.extend(part);
        }
        lines
    }

    fn pane(&self, pane: Pane, width: usize, room: usize) -> Vec<Line<'static>> {
        let place = pane as usize;
        let (Some(table), Some(keys)) = (self.content.tables.get(place), self.content.rows.keys.get(place))
        else {
            return Vec::new();
        };
        let has_focus = pane == self.view.pane;
        let rows = table.lines(width.saturating_sub(MARK.chars().count()));
        let selected = self.view.index(pane, keys);
        let shown = room.saturating_sub(1);
        // The selected row is always seen.
        let first = (selected + 1).saturating_sub(shown);
        let mut lines = Vec::new();
        let mut rows = rows.into_iter();
        if let Some(heading) = rows.next() {
            let text: String = heading.into_iter().map(|(text, _tone)| text).collect();
            let style = Style::default().add_modifier(Modifier::BOLD);
            lines.push(Line::from(Span::styled(format!("  {text}"), style)));
        }
        for (index, row) in rows.enumerate().skip(first).take(shown) {
            let is_selected = has_focus && index == selected;
            let mark = if is_selected { MARK } else { "  " };
            let spans = row.into_iter().map(|(text, tone)| Span::styled(text, self.style(tone)));
            let line = Line::from_iter(std::iter::once(Span::from(mark)).chain(spans));
            let style = if is_selected {
                Style::default().add_modifier(Modifier::REVERSED)
            } else {
                Style::default()
            };
            lines.push(line.style(style));
        }
        if keys.is_empty() && shown > 0 {
            let nothing = if self.view.filter.is_empty() { "  none" } else { "  none with this filter" };
            lines.push(Line::from(cut(nothing, width)));
        }
        lines
    }

    fn log_lines(&self, title: &str, up: usize, width: usize, room: usize) -> Vec<Line<'static>> {
        let mut lines =
            vec![Line::from(Span::styled(cut(title, width), Style::default().add_modifier(Modifier::BOLD)))];
        let shown = room.saturating_sub(1);
        let end = self.log.len().saturating_sub(up).max(shown.min(self.log.len()));
        let begin = end.saturating_sub(shown);
        lines.extend(self.log.range(begin..end).map(|line| Line::from(cut(&one_line(line), width))));
        lines
    }

    fn bottom(&self, width: usize) -> Line<'static> {
        let view = self.view;
        let filtered = if view.filter.is_empty() { String::new() } else { format!("/{}  ", view.filter) };
        let (text, tone) = match &view.mode {
            Mode::Confirm { question, .. } => (question.clone(), Tone::Warning),
            Mode::Filter => (format!("/{}_", view.filter), Tone::Plain),
            Mode::Help => (String::new(), Tone::Plain),
            Mode::Log { up: 0, .. } => ("following; ↑ scrolls, Esc closes".to_owned(), Tone::Plain),
            Mode::Log { up, .. } => (format!("{up} lines up; End follows, Esc closes"), Tone::Plain),
            Mode::List if !view.notice.is_empty() => (view.notice.clone(), Tone::Warning),
            Mode::List => {
                let own = match view.pane {
                    Pane::Queues => "p pause",
                    Pane::Actors => "l log  s start/stop  r restart",
                    Pane::Jobs => "l log  c cancel",
                };
                (format!("{filtered}Tab pane  ↑↓ select  {own}  / filter  ? help  q quit"), Tone::Plain)
            }
        };
        Line::from(Span::styled(cut(&one_line(&text), width), self.style(tone)))
    }

    fn style(&self, tone: Tone) -> Style {
        let color = match tone {
            Tone::Plain => None,
            Tone::Warning => Some(Color::Yellow),
            Tone::Trouble => Some(Color::Red),
        };
        color.filter(|_color| self.color).map_or(Style::default(), |color| Style::default().fg(color))
    }
}
