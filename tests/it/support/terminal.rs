//! A command on a terminal of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::pty::{Winsize, openpty};

use super::service::LIMIT;
use super::wait::eventually;

/// Time within which everything is read that an ended command has written.
const MOMENT: Duration = Duration::from_secs(1);

/// A command on a terminal of 24 lines, and what it has shown there.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    size: (u16, u16),
    /// The side of the command, by which the size is set; none once the command has ended.
    end: Option<OwnedFd>,
    /// Bytes that were shown before the size was changed.
    before: usize,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// Starts a command on a terminal of so many columns.
    pub(crate) fn start(command: Command, columns: u16) -> Self {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap();
        let end = || pair.slave.try_clone().unwrap();
        // The terminal is that of the command, as after a login, and no other one.
        let mut own = Command::new("setsid");
        own.arg("--ctty").arg(command.get_program()).args(command.get_args());
        own.env("TERM", "xterm").env_remove("NO_COLOR");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => own.env(name, value),
                None => own.env_remove(name),
            };
        }
        let child = own.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let keys = File::from(pair.master);
        let mut screen = keys.try_clone().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&shown);
        // It ends when nobody has the other end of the terminal any more.
        let reader = std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut part) {
                kept.lock().unwrap().extend_from_slice(&part[..length]);
            }
        });
        Self { child, keys, size: (24, columns), end: Some(pair.slave), before: 0, shown, reader }
    }

    /// Gives the terminal another size, of which the command is told.
    pub(crate) fn resize(&mut self, lines: u16, columns: u16) {
        self.before = self.shown.lock().unwrap().len();
        let size = ["rows".to_owned(), lines.to_string(), "cols".to_owned(), columns.to_string()];
        let end = self.end.as_ref().unwrap().try_clone().unwrap();
        let set = Command::new("stty").args(size).stdin(end).status().unwrap();
        assert!(set.success());
        self.size = (lines, columns);
    }

    /// The screen as a person sees it, without spaces at the ends of lines.
    pub(crate) fn screen(&self) -> String {
        let (lines, columns) = self.size;
        let size = |number: u16| NonZero::new(number).unwrap();
        let mut parser = vt100::Parser::new(size(lines), size(columns), 0);
        parser.process(&self.shown.lock().unwrap()[self.before..]);
        let lines = parser.screen().rows(0, columns).map(|line| line.trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }

    /// Waits until a line of the screen has all of this.
    pub(crate) async fn has_line(&self, words: &[&str]) {
        eventually(&format!("a line with {words:?} is shown"), LIMIT, async || {
            let screen = self.screen();
            screen.lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
        })
        .await;
    }

    /// Types keys.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// What was shown so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits until this is shown, behind so many bytes.
    pub(crate) async fn shows(&self, what: &str, behind: usize) {
        eventually(&format!("{what:?} is shown"), LIMIT, async || {
            self.text().get(behind..).is_some_and(|text| text.contains(what)).then_some(())
        })
        .await;
    }

    /// Waits for the end, and returns the exit code and all that was shown.
    pub(crate) async fn ended(mut self) -> (i32, String) {
        let status = eventually("the command ends", LIMIT, || {
            let ended = self.child.try_wait().unwrap();
            async move { ended }
        })
        .await;
        // What it wrote last may still be on its way; the reader ends when nobody has the other side. A service that was
        // started meanwhile has inherited it: then everything is here after a moment.
        self.end = None;
        let all_is_read = async {
            while !self.reader.is_finished() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _held = tokio::time::timeout(MOMENT, all_is_read).await;
        (status.code().unwrap_or(-1), self.text())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
