//! Questions before something is removed.

use std::io::{IsTerminal, Write, stderr, stdin};

use clap::Args;

use super::{Exit, Failure};

/// Options of the question before something is removed.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ConfirmArgs {
    /// Do not ask first; pipes and scripts are never asked
    #[arg(short, long)]
    yes: bool,
}

impl ConfirmArgs {
    /// Returns true if a person is asked.
    pub(super) fn asks(self) -> bool {
        !self.yes && stdin().is_terminal() && stderr().is_terminal()
    }

    /// Asks the person at the terminal, unless there is none or `--yes` was given.
    ///
    /// # Errors
    /// Every answer but yes.
    pub(super) fn ask(self, question: &str) -> Result<(), Failure> {
        if !self.asks() {
            return Ok(());
        }
        let mut screen = stderr().lock();
        write!(screen, "{question} [y/N] ")?;
        screen.flush()?;
        let mut answer = String::new();
        stdin().read_line(&mut answer)?;
        match is_yes(&answer) {
            true => Ok(()),
            false => Err(Failure::new(Exit::Interrupted, "nothing was changed")),
        }
    }
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(["y\n", "Yes", " YES \r\n"].into_iter().all(is_yes));
        assert!(!["", "\n", "n\n", "yess", "no"].into_iter().any(is_yes));
    }
}
