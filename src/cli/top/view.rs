//! The view of the overview, and what keys do with it. Pure: a key gives a new view, and perhaps something to do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A part of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Pane {
    Queues,
    #[default]
    Actors,
    Jobs,
}

impl Pane {
    pub(super) const ALL: [Self; 3] = [Self::Queues, Self::Actors, Self::Jobs];

    fn next(self) -> Self {
        match self {
            Self::Queues => Self::Actors,
            Self::Actors => Self::Jobs,
            Self::Jobs => Self::Queues,
        }
    }

    fn before(self) -> Self {
        self.next().next()
    }
}

/// The subject of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Queue { name: String, paused: bool },
    Actor { id: String, up: bool, in_flight: i32 },
    Job { id: String, ended: bool, running: bool },
}

/// Something to do that changes the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Start(String),
    Stop(String),
    Restart(String),
    Pause(String),
    Resume(String),
    Cancel(String),
}

impl Action {
    /// Returns the name of the call, by which roles allow it.
    pub(super) fn call(&self) -> &'static str {
        match self {
            Self::Start(_) => "StartActor",
            Self::Stop(_) => "StopActor",
            Self::Restart(_) => "RestartActor",
            Self::Pause(_) => "PauseQueue",
            Self::Resume(_) => "ResumeQueue",
            Self::Cancel(_) => "CancelJob",
        }
    }
}

/// The mode: the overview, or what covers it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Mode {
    #[default]
    List,
    Help,
    /// The filter is being typed.
    Filter,
    /// A question before an action.
    Confirm {
        action: Action,
        question: String,
    },
    /// The log of an actor or a job; scrolled up by so many lines.
    Log {
        title: String,
        up: usize,
    },
}

/// A request of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    Quit,
    /// Ended by Ctrl-C.
    Interrupt,
    Act(Action),
    /// The log of the subject is to be followed.
    Log(Subject),
    /// The log that is followed is no longer looked at.
    CloseLog,
}

/// The view: pane, selection, filter and mode.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct View {
    pub(super) pane: Pane,
    /// Key of the selected row of each pane; a row that is gone selects its neighbour.
    pub(super) selected: [Option<String>; 3],
    pub(super) filter: String,
    pub(super) mode: Mode,
    /// The outcome of the last action.
    pub(super) notice: String,
}

/// The keys of the rows of the panes, in their order.
pub(super) struct Rows {
    pub(super) keys: [Vec<String>; 3],
}

impl View {
    /// Returns the index of the selected row of a pane.
    pub(super) fn index(&self, pane: Pane, keys: &[String]) -> usize {
        let selected = self.selected.get(pane as usize).and_then(Option::as_ref);
        let index = selected.map(|selected| keys.partition_point(|key| key < selected));
        // Rows of jobs are not in the order of their keys.
        let found = selected.and_then(|selected| keys.iter().position(|key| key == selected));
        found.or(index).unwrap_or(0).min(keys.len().saturating_sub(1))
    }

    /// Takes a key. `subject` is that of the selected row.
    pub(super) fn key(&mut self, key: KeyEvent, rows: &Rows, subject: Option<Subject>) -> Asked {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Asked::Interrupt;
        }
        match std::mem::take(&mut self.mode) {
            Mode::List => self.key_of_list(key.code, rows, subject),
            Mode::Help => Asked::Nothing,
            Mode::Filter => self.key_of_filter(key.code),
            Mode::Confirm { action, .. } => {
                if matches!(key.code, KeyCode::Char('y' | 'Y')) {
                    return Asked::Act(action);
                }
                self.notice = "nothing was done".to_owned();
                Asked::Nothing
            }
            Mode::Log { title, up } => self.key_of_log(key.code, title, up),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all other keys are for the row")]
    fn key_of_list(&mut self, code: KeyCode, rows: &Rows, subject: Option<Subject>) -> Asked {
        self.notice.clear();
        match code {
            KeyCode::Char('q' | 'Q') => return Asked::Quit,
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Tab => self.pane = self.pane.next(),
            KeyCode::BackTab => self.pane = self.pane.before(),
            KeyCode::Char('j') | KeyCode::Down => self.go(rows, |index| index + 1),
            KeyCode::Char('k') | KeyCode::Up => self.go(rows, |index| index.saturating_sub(1)),
            KeyCode::PageDown => self.go(rows, |index| index + 10),
            KeyCode::PageUp => self.go(rows, |index| index.saturating_sub(10)),
            KeyCode::Home | KeyCode::Char('g') => self.go(rows, |_index| 0),
            KeyCode::End | KeyCode::Char('G') => self.go(rows, |_index| usize::MAX),
            code => return subject.map_or(Asked::Nothing, |subject| self.key_of_row(code, subject)),
        }
        Asked::Nothing
    }

    fn key_of_row(&mut self, code: KeyCode, subject: Subject) -> Asked {
        let (action, question) = match (code, subject) {
            (
                KeyCode::Enter | KeyCode::Char('l'),
                subject @ (Subject::Actor { .. } | Subject::Job { .. }),
            ) => {
                let title = match &subject {
                    Subject::Actor { id, .. } | Subject::Job { id, .. } => format!("log of {id}"),
                    Subject::Queue { .. } => String::new(),
                };
                self.mode = Mode::Log { title, up: 0 };
                return Asked::Log(subject);
            }
            (KeyCode::Char('s'), Subject::Actor { id, up: false, .. }) => {
                return Asked::Act(Action::Start(id));
            }
            (KeyCode::Char('s'), Subject::Actor { id, up: true, in_flight }) => {
                (Action::Stop(id.clone()), format!("stop {id}? {}", drained(in_flight)))
            }
            (KeyCode::Char('r'), Subject::Actor { id, in_flight, .. }) => {
                (Action::Restart(id.clone()), format!("restart {id}? {}", drained(in_flight)))
            }
            (KeyCode::Char('p'), Subject::Queue { name, paused: true }) => {
                return Asked::Act(Action::Resume(name));
            }
            (KeyCode::Char('p'), Subject::Queue { name, paused: false }) => {
                let question = format!("pause the {name} queue? Running jobs go on.");
                (Action::Pause(name), question)
            }
            (KeyCode::Char('c'), Subject::Job { id, ended: false, running }) => {
                let says = if running { "Its script is killed where it is." } else { "It has not begun." };
                (Action::Cancel(id.clone()), format!("cancel {id}? {says}"))
            }
            (_other, _subject) => return Asked::Nothing,
        };
        self.mode = Mode::Confirm { action, question: format!("{question} [y/N]") };
        Asked::Nothing
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all other keys mean nothing here")]
    fn key_of_filter(&mut self, code: KeyCode) -> Asked {
        match code {
            KeyCode::Enter => return Asked::Nothing,
            KeyCode::Esc => {
                self.filter.clear();
                return Asked::Nothing;
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c) if self.filter.len() < 64 => self.filter.push(c),
            _other => {}
        }
        self.mode = Mode::Filter;
        Asked::Nothing
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all other keys mean nothing here")]
    fn key_of_log(&mut self, code: KeyCode, title: String, up: usize) -> Asked {
        let up = match code {
            KeyCode::Esc | KeyCode::Char('q') => return Asked::CloseLog,
            KeyCode::Char('k') | KeyCode::Up => up + 1,
            KeyCode::Char('j') | KeyCode::Down => up.saturating_sub(1),
            KeyCode::PageUp => up + 10,
            KeyCode::PageDown => up.saturating_sub(10),
            KeyCode::End | KeyCode::Char('G') => 0,
            _other => up,
        };
        self.mode = Mode::Log { title, up };
        Asked::Nothing
    }

    fn go(&mut self, rows: &Rows, to: impl Fn(usize) -> usize) {
        let pane = self.pane as usize;
        let Some(keys) = rows.keys.get(pane) else { return };
        let index = to(self.index(self.pane, keys)).min(keys.len().saturating_sub(1));
        if let Some(selected) = self.selected.get_mut(pane) {
            *selected = keys.get(index).cloned();
        }
    }
}

/// Says what happens to running jobs.
fn drained(in_flight: i32) -> String {
    match in_flight {
        0 => "It has no job in flight.".to_owned(),
        1 => "Its job in flight is finished first.".to_owned(),
        jobs => format!("Its {jobs} jobs in flight are finished first."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(view: &mut View, code: KeyCode, subject: Option<Subject>) -> Asked {
        let rows = Rows {
            keys: [&["osis", "sal"][..], &["a", "b", "c"], &[]]
                .map(|keys| keys.iter().map(ToString::to_string).collect()),
        };
        view.key(KeyEvent::from(code), &rows, subject)
    }

    fn actor(up: bool) -> Option<Subject> {
        Some(Subject::Actor { id: "a".to_owned(), up, in_flight: 2 })
    }

    #[test]
    fn what_ends_something_is_asked_first_and_only_yes_is_yes() {
        let rows = [
            (
                KeyCode::Char('s'),
                actor(true),
                Action::Stop("a".to_owned()),
                "Its 2 jobs in flight are finished first.",
            ),
            (KeyCode::Char('r'), actor(false), Action::Restart("a".to_owned()), "restart a?"),
            (
                KeyCode::Char('p'),
                Some(Subject::Queue { name: "osis".into(), paused: false }),
                Action::Pause("osis".into()),
                "Running jobs go on.",
            ),
            (
                KeyCode::Char('c'),
                Some(Subject::Job { id: "j".to_owned(), ended: false, running: true }),
                Action::Cancel("j".to_owned()),
                "killed",
            ),
        ];
        for (code, subject, action, says) in rows {
            for (answer, expected) in [
                (KeyCode::Enter, Asked::Nothing),
                (KeyCode::Char('n'), Asked::Nothing),
                (KeyCode::Char('y'), Asked::Act(action.clone())),
            ] {
                let mut view = View::default();
                assert_eq!(press(&mut view, code, subject.clone()), Asked::Nothing);
                let Mode::Confirm { question, .. } = &view.mode else { panic!("{view:?}") };
                assert!(question.contains(says) && question.ends_with("[y/N]"), "{question}");
                assert_eq!(press(&mut view, answer, subject.clone()), expected);
                assert_eq!(view.mode, Mode::List);
            }
        }
    }

    #[test]
    fn what_harms_nobody_is_done_at_once_and_what_cannot_be_done_is_not() {
        let mut view = View::default();
        assert_eq!(
            press(&mut view, KeyCode::Char('s'), actor(false)),
            Asked::Act(Action::Start("a".to_owned()))
        );
        let paused = Some(Subject::Queue { name: "sal".into(), paused: true });
        assert_eq!(press(&mut view, KeyCode::Char('p'), paused), Asked::Act(Action::Resume("sal".into())));
        let ended = Some(Subject::Job { id: "j".to_owned(), ended: true, running: false });
        assert_eq!(press(&mut view, KeyCode::Char('c'), ended), Asked::Nothing);
        assert_eq!(press(&mut view, KeyCode::Char('c'), actor(true)), Asked::Nothing);
        assert_eq!((press(&mut view, KeyCode::Char('r'), None), &view.mode), (Asked::Nothing, &Mode::List));
    }

    #[test]
    fn rows_are_selected_by_their_keys_and_a_lost_one_gives_way_to_its_neighbour() {
        let mut view = View::default();
        for (code, expected) in [
            (KeyCode::Down, "b"),
            (KeyCode::End, "c"),
            (KeyCode::Down, "c"),
            (KeyCode::PageUp, "a"),
            (KeyCode::Char('j'), "b"),
        ] {
            press(&mut view, code, None);
            assert_eq!(view.selected[Pane::Actors as usize].as_deref(), Some(expected));
        }
        let keys = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(view.index(Pane::Actors, &keys(&["a", "aa", "b"])), 2);
        assert_eq!(view.index(Pane::Actors, &keys(&["a", "c"])), 1);
        assert_eq!(view.index(Pane::Actors, &[]), 0);
        press(&mut view, KeyCode::Tab, None);
        assert_eq!(view.pane, Pane::Jobs);
        press(&mut view, KeyCode::Down, None);
        press(&mut view, KeyCode::BackTab, None);
        press(&mut view, KeyCode::BackTab, None);
        assert_eq!(view.pane, Pane::Queues);
    }

    #[test]
    fn a_filter_is_typed_kept_and_cleared() {
        let mut view = View::default();
        for code in
            [KeyCode::Char('/'), KeyCode::Char('q'), KeyCode::Char('x'), KeyCode::Backspace, KeyCode::Enter]
        {
            assert_eq!(press(&mut view, code, None), Asked::Nothing);
        }
        assert_eq!((view.filter.as_str(), &view.mode), ("q", &Mode::List));
        press(&mut view, KeyCode::Esc, None);
        assert_eq!(view.filter, "");
        press(&mut view, KeyCode::Char('?'), None);
        assert_eq!(view.mode, Mode::Help);
        press(&mut view, KeyCode::Char('q'), None);
        assert_eq!(press(&mut view, KeyCode::Char('q'), None), Asked::Quit);
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(view.key(ctrl_c, &Rows { keys: Default::default() }, None), Asked::Interrupt);
    }

    #[test]
    fn a_log_is_scrolled_and_closed() {
        let mut view = View::default();
        assert_eq!(press(&mut view, KeyCode::Enter, actor(true)), Asked::Log(actor(true).unwrap()));
        for (code, expected) in
            [(KeyCode::Up, 1), (KeyCode::PageUp, 11), (KeyCode::Down, 10), (KeyCode::End, 0)]
        {
            press(&mut view, code, None);
            assert_eq!(view.mode, Mode::Log { title: "log of a".to_owned(), up: expected });
        }
        assert_eq!(press(&mut view, KeyCode::Esc, None), Asked::CloseLog);
        assert_eq!(view.mode, Mode::List);
    }
}
