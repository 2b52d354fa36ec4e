//! A screen of its own: what was on the terminal before comes back at the end.

use std::io::{Stdout, stdout};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::draw::Screen as Picture;
use crate::cli::Failure;

/// The other screen of a terminal, until it is dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Changes to the other screen; keys are not shown on it, and are read at once.
    pub(super) fn enter() -> Result<Self, Failure> {
        let mut screen = Self { terminal: Terminal::new(CrosstermBackend::new(stdout()))? };
        enable_raw_mode()?;
        execute!(screen.terminal.backend_mut(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// Draws a picture over the one that is there; only what differs is written.
    pub(super) fn show(&mut self, picture: &Picture<'_>) -> Result<(), Failure> {
        self.terminal.draw(|frame| picture.draw(frame))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _shown = execute!(self.terminal.backend_mut(), Show, LeaveAlternateScreen);
        let _cooked = disable_raw_mode();
    }
}
