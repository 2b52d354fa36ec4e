//! The lines of services that somebody reads, numbered.
//!
//! Zinit numbers no lines and notes no times, but sends new ones to who subscribes. So there is a reader for each
//! service that was asked for: it takes what Zinit has kept, then what comes. A subscription begins with what was kept
//! once more, which is recognised and left out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::wire::CallError;
use super::calls::Calls;
use crate::adapters::log_ring::LogRing;
use crate::ports::process_manager::{LogBatch, LogLine, LogPosition, LogStream, ProcessError};

/// Between two tries to subscribe.
const RETRY: Duration = Duration::from_millis(500);
/// What is repeated at the begin of a subscription comes within this time.
const REPEATED: Duration = Duration::from_secs(1);
/// What Zinit itself writes into a log when it starts a service.
const START_MARK: &str = "------------ [start] ------------";

/// Readers of services.
pub(super) struct Feeds {
    calls: Calls,
    feeds: Mutex<BTreeMap<String, Feed>>,
    tasks: TaskTracker,
    closed: CancellationToken,
}

#[derive(Clone)]
struct Feed {
    ring: Arc<LogRing>,
    ended: CancellationToken,
}

impl Feeds {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls, feeds: Mutex::default(), tasks: TaskTracker::new(), closed: CancellationToken::new() }
    }

    fn feeds(&self) -> MutexGuard<'_, BTreeMap<String, Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was written behind `after`, waited for if there is nothing yet.
    pub(super) async fn read(
        &self,
        name: &str,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> Result<LogBatch, ProcessError> {
        let existing = self.feeds().get(name).cloned();
        let feed = match existing {
            Some(feed) => feed,
            None => {
                // Here, so that an unreachable Zinit is told, and the first answer has all that was kept.
                let kept = self.calls.current_logs(name).await?;
                self.begin(name, &kept)
            }
        };
        Ok(feed.ring.read(after, wait).await)
    }

    fn begin(&self, name: &str, kept: &[String]) -> Feed {
        let mut feeds = self.feeds();
        if let Some(feed) = feeds.get(name) {
            return feed.clone();
        }
        let feed = Feed { ring: Arc::new(LogRing::default()), ended: self.closed.child_token() };
        for line in kept.iter().filter_map(|raw| line(name, raw)) {
            feed.ring.push(line);
        }
        let follower = follow(self.calls.clone(), name.to_owned(), feed.ring.clone());
        let ended = feed.ended.clone();
        self.tasks.spawn(async move {
            ended.run_until_cancelled(follower).await;
        });
        feeds.insert(name.to_owned(), feed.clone());
        feed
    }

    /// Ends the reader of a service that is removed.
    pub(super) fn forget(&self, name: &str) {
        if let Some(feed) = self.feeds().remove(name) {
            feed.ended.cancel();
        }
    }

    pub(super) async fn close(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Subscribes, again and again, and adds what comes.
async fn follow(calls: Calls, name: String, ring: Arc<LogRing>) {
    loop {
        if let Err(error) = follow_once(&calls, &name, &ring).await {
            tracing::debug!(%name, %error, "the log of a service cannot be followed just now");
        }
        sleep(RETRY).await;
    }
}

async fn follow_once(calls: &Calls, name: &str, ring: &LogRing) -> Result<(), CallError> {
    let mut coming = calls.follow_logs(name).await?;
    // What the ring has may come once more: at the first time what was kept, later also what came since.
    let mut repeated = Repeated::new(ring.tail(usize::MAX));
    let until = Instant::now() + REPEATED;
    while !repeated.is_over() {
        match timeout_at(until, coming.recv()).await {
            Ok(Some(raw)) => line(name, &raw)
                .into_iter()
                .flat_map(|line| repeated.hear(line))
                .for_each(|line| ring.push(line)),
            Ok(None) | Err(_) => break,
        }
    }
    repeated.end().into_iter().for_each(|line| ring.push(line));
    drain(name, ring, coming).await;
    Ok(())
}

async fn drain(name: &str, ring: &LogRing, mut coming: mpsc::Receiver<String>) {
    while let Some(raw) = coming.recv().await {
        if let Some(line) = line(name, &raw) {
            ring.push(line);
        }
    }
}

/// Reads `[+] name: text` (standard output) and `[-] name: text`; None for what is not of this service.
pub(super) fn line(name: &str, raw: &str) -> Option<LogLine> {
    let (mark, rest) = raw.split_at_checked(4)?;
    let stream = match mark {
        "[+] " => LogStream::Stdout,
        "[-] " => LogStream::Stderr,
        _other => return None,
    };
    let text = rest.strip_prefix(name)?.strip_prefix(':')?;
    let text = text.strip_prefix(' ').unwrap_or(text).trim_end_matches(['\n', '\r']);
    (text != START_MARK).then(|| LogLine { at: None, stream, text: text.to_owned() })
}

/// Recognises lines that come a second time: a run of them that ends where the known lines end.
struct Repeated {
    known: Vec<LogLine>,
    /// Where in `known` runs may have begun that fit what was heard.
    runs: Vec<usize>,
    heard: VecDeque<LogLine>,
    over: bool,
}

impl Repeated {
    fn new(known: Vec<LogLine>) -> Self {
        let (runs, over) = ((0..known.len()).collect(), known.is_empty());
        Self { known, runs, heard: VecDeque::new(), over }
    }

    fn is_over(&self) -> bool {
        self.over
    }

    /// Takes a line; answers with those that are new for certain.
    fn hear(&mut self, line: LogLine) -> Vec<LogLine> {
        if self.over {
            return vec![line];
        }
        let at = self.heard.len();
        self.runs.retain(|begin| self.known.get(begin + at) == Some(&line));
        self.heard.push_back(line);
        match self.runs.first() {
            // Nothing that is known begins like this.
            None => self.end(),
            // The longest run is through.
            Some(begin) if begin + self.heard.len() == self.known.len() => {
                self.over = true;
                self.heard.clear();
                Vec::new()
            }
            Some(_begin) => Vec::new(),
        }
    }

    /// No more will come at once: what was heard and is no whole run was new.
    fn end(&mut self) -> Vec<LogLine> {
        self.over = true;
        std::mem::take(&mut self.heard).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<LogLine> {
        let line = |text: &&str| LogLine { at: None, stream: LogStream::Stdout, text: (*text).to_owned() };
        texts.iter().map(line).collect()
    }

    fn heard(known: &[&str], coming: &[&str]) -> Vec<String> {
        let mut repeated = Repeated::new(lines(known));
        let mut new: Vec<LogLine> = lines(coming).into_iter().flat_map(|line| repeated.hear(line)).collect();
        new.extend(repeated.end());
        new.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn recorded_lines_are_taken_apart() {
        let read = |raw: &str| line("tk", raw).map(|line| (line.stream, line.text));
        assert_eq!(read("[+] tk: tick"), Some((LogStream::Stdout, "tick".to_owned())));
        assert_eq!(read("[-] tk: a: b"), Some((LogStream::Stderr, "a: b".to_owned())));
        assert_eq!(read("[-] tk: ------------ [start] ------------"), None);
        for foreign in ["[+] tk2: x", "[+] t: x", "tk: x", "", "[+]", "[ä] tk: x"] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn what_comes_a_second_time_is_left_out() {
        assert_eq!(heard(&["a", "b", "c"], &["a", "b", "c", "d"]), ["d"]);
        assert_eq!(heard(&["a", "b", "c"], &["b", "c", "d"]), ["d"], "the oldest were gone by then");
        assert_eq!(heard(&["t", "t", "t"], &["t", "t", "t", "t"]), ["t"]);
        assert_eq!(heard(&[], &["a"]), ["a"]);
    }

    #[test]
    fn what_is_new_is_kept() {
        assert_eq!(heard(&["a", "b"], &["c", "d"]), ["c", "d"]);
        assert_eq!(heard(&["a", "b", "c"], &["a", "b", "x"]), ["a", "b", "x"], "only the begin was the same");
        assert_eq!(heard(&["a", "b", "c"], &["a"]), ["a"]);
    }
}
