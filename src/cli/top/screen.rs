//! A screen of its own for a picture that changes: what was on the terminal before comes back at the end.

use std::future::pending;
use std::io::{self, IsTerminal, Write, stdin, stdout};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use tokio::io::AsyncReadExt;

use crate::cli::Failure;

/// Changes to the other screen of the terminal and hides the cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Shows the cursor and changes back.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Lines of a terminal that does not say how many it has.
const LINES: usize = 24;

/// The other screen of a terminal, until it is dropped.
pub(super) struct Screen {
    /// The modes of the terminal before; None if keys are not read from it.
    before: Option<Termios>,
}

impl Screen {
    /// Changes to the other screen; keys are not shown on it, and are read at once.
    pub(super) fn enter() -> Result<Self, Failure> {
        let before =
            if stdin().is_terminal() { Some(tcgetattr(stdin()).map_err(io::Error::from)?) } else { None };
        let screen = Self { before };
        if let Some(before) = &screen.before {
            let mut keys = before.clone();
            keys.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
            tcsetattr(stdin(), SetArg::TCSANOW, &keys).map_err(io::Error::from)?;
        }
        write(ENTER)?;
        Ok(screen)
    }

    /// Shows a heading and as many lines of a text as there is room for.
    pub(super) fn show(&self, heading: &str, text: &str) -> Result<(), Failure> {
        let size = terminal_size::terminal_size_of(stdout());
        let lines = size.map_or(LINES, |(_, height)| usize::from(height.0));
        let width = size.map_or(usize::MAX, |(width, _)| usize::from(width.0));
        write(&picture(&crate::cli::table::cut(heading, width), text, lines))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _left = write(LEAVE);
        if let Some(before) = &self.before {
            let _restored = tcsetattr(stdin(), SetArg::TCSANOW, before);
        }
    }
}

/// Waits for the key that ends a picture.
pub(super) async fn quit_key(screen: &Screen) {
    let mut keys = tokio::io::stdin();
    while screen.before.is_some() {
        match keys.read_u8().await {
            Ok(b'q' | b'Q') => return,
            Ok(_other) => {}
            Err(_closed) => break,
        }
    }
    pending().await
}

fn write(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Renders a picture for a terminal of so many lines. Each line is drawn over the one that was there, so that nothing
/// flickers.
fn picture(heading: &str, text: &str, lines: usize) -> String {
    let all: Vec<&str> = std::iter::once(heading).chain(text.lines()).collect();
    let (shown, rest) =
        if all.len() > lines { all.split_at(lines.saturating_sub(1)) } else { (all.as_slice(), &[][..]) };
    let more = (!rest.is_empty()).then(|| format!("… {} more lines", rest.len()));
    let shown: Vec<String> =
        shown.iter().map(|line| (*line).to_owned()).chain(more).map(|line| format!("{line}\x1b[K")).collect();
    format!("\x1b[H{}\x1b[J", shown.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_no_more_lines_than_the_terminal() {
        let text = "a\nb\nc\n";
        assert_eq!(picture("top", text, 4), "\x1b[Htop\x1b[K\r\na\x1b[K\r\nb\x1b[K\r\nc\x1b[K\x1b[J");
        assert_eq!(picture("top", text, 3), "\x1b[Htop\x1b[K\r\na\x1b[K\r\n… 2 more lines\x1b[K\x1b[J");
        assert_eq!(picture("top", text, 1), "\x1b[H… 4 more lines\x1b[K\x1b[J");
        assert_eq!(picture("top", "", 4), "\x1b[Htop\x1b[K\x1b[J");
    }
}
