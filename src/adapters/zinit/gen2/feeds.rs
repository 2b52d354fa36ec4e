//! The lines of services that somebody reads, numbered.
//!
//! Zinit numbers no lines and notes no times, but sends new ones to who subscribes. So there is a follower for each service
//! that is read: it has a connection of its own, so that no call waits behind lines, and ends when nobody has read
//! for a while, so that Zinit sends nothing to nobody. A subscription brings only what is written after it, so what is
//! kept is asked for once more when it stands, and joined with it where both overlap.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::detect::Generation;
use super::super::wire::{CallError, Wire, result_of, unavailable};
use super::calls::{READ, texts};
use super::logs::{Read, Repeated, line};
use crate::adapters::log_ring::LogRing;
use crate::ports::process_manager::{LogBatch, LogPosition, ProcessError};

/// Between two tries to subscribe.
const RETRY: Duration = Duration::from_millis(500);
/// A subscription is confirmed a moment before it stands.
const STANDS: Duration = Duration::from_millis(50);
/// What comes a second time behind a subscription comes within this time.
const REPEATED: Duration = Duration::from_secs(1);
/// A follower that nobody has read from for so long is ended.
const IDLE: Duration = Duration::from_secs(3);
/// What was read is kept for so long, so that a reader who comes back goes on where it was.
const KEPT: Duration = Duration::from_secs(600);

/// Followers of services.
pub(super) struct Feeds {
    socket: PathBuf,
    feeds: Mutex<BTreeMap<String, Arc<Feed>>>,
    tasks: TaskTracker,
    closed: CancellationToken,
}

/// What is read of one service.
struct Feed {
    name: String,
    ring: LogRing,
    state: Mutex<State>,
    /// Taken to begin and to end following.
    turn: Semaphore,
    forgotten: CancellationToken,
}

#[derive(Debug)]
struct State {
    /// The pid of the Zinit that was read from last, if that can be seen.
    server: Option<i32>,
    read: Read,
    readers: usize,
    /// When the last reader left.
    left: Instant,
    is_followed: bool,
}

/// Somebody waits for lines.
struct Reader<'a>(&'a Feed);

impl Feeds {
    pub(super) fn new(socket: &Path) -> Self {
        let (tasks, closed) = (TaskTracker::new(), CancellationToken::new());
        Self { socket: socket.to_owned(), feeds: Mutex::default(), tasks, closed }
    }

    /// What was written behind `after`, waited for if there is nothing yet.
    pub(super) async fn read(
        &self,
        name: &str,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> Result<LogBatch, ProcessError> {
        let feed = self.feed(name);
        let _reader = feed.enter();
        {
            // It is never closed.
            let _turn = feed.turn.acquire().await.ok();
            if !feed.state().is_followed {
                // Here, so that an unreachable Zinit is told, and the first answer has all that was kept.
                let follower = Follower::open(&self.socket, &feed).await?;
                feed.state().is_followed = true;
                let (feed, socket) = (feed.clone(), self.socket.clone());
                self.tasks.spawn(async move {
                    let forgotten = feed.forgotten.clone();
                    forgotten.run_until_cancelled(feed.follow(&socket, follower)).await;
                });
            }
        }
        Ok(feed.ring.read(after, wait).await)
    }

    fn feed(&self, name: &str) -> Arc<Feed> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.retain(|known, feed| known == name || feed.is_needed());
        let new = || {
            Arc::new(Feed {
                name: name.to_owned(),
                ring: LogRing::default(),
                state: Mutex::new(State {
                    server: None,
                    read: Read::default(),
                    readers: 0,
                    left: Instant::now(),
                    is_followed: false,
                }),
                turn: Semaphore::new(1),
                forgotten: self.closed.child_token(),
            })
        };
        feeds.entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// Ends the follower of a service that is removed.
    pub(super) fn forget(&self, name: &str) {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.remove(name) {
            feed.forgotten.cancel();
        }
    }

    pub(super) async fn close(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Feed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> Reader<'_> {
        self.state().readers += 1;
        Reader(self)
    }

    fn is_needed(&self) -> bool {
        let state = self.state();
        state.is_followed || state.readers > 0 || state.left.elapsed() < KEPT
    }

    /// Takes lines that were not read before.
    fn take(&self, lines: &[String]) {
        for raw in lines {
            self.state().read.push(raw);
            if let Some(line) = line(&self.name, raw) {
                self.ring.push(line);
            }
        }
    }

    /// Takes what Zinit keeps and was not read yet; answers with it.
    fn catch_up(&self, mut kept: Vec<String>) -> Vec<String> {
        let read = self.state().read.among(&kept);
        let unread = kept.split_off(read);
        self.take(&unread);
        unread
    }

    /// Reads what comes until nobody wants it.
    async fn follow(&self, socket: &Path, first: Follower) {
        let mut follower = Some(first);
        loop {
            tokio::select! {
                () = self.keep_following(socket, follower.take()) => {}
                () = self.until_idle() => {}
            }
            let _turn = self.turn.acquire().await.ok();
            let mut state = self.state();
            if state.readers == 0 {
                state.is_followed = false;
                return;
            }
        }
    }

    /// Follows, again and again.
    async fn keep_following(&self, socket: &Path, mut open: Option<Follower>) {
        loop {
            let follower = match open.take() {
                Some(follower) => Ok(follower),
                None => Follower::open(socket, self).await,
            };
            let ended = match follower {
                Ok(mut follower) => follower.run(self).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::debug!(name = %self.name, %error, "the log of a service cannot be followed just now");
            }
            sleep(RETRY).await;
        }
    }

    async fn until_idle(&self) {
        loop {
            let rest = {
                let state = self.state();
                if state.readers > 0 { IDLE } else { IDLE.saturating_sub(state.left.elapsed()) }
            };
            if rest.is_zero() {
                return;
            }
            sleep(rest).await;
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.readers -= 1;
        state.left = Instant::now();
    }
}

/// A connection that brings the lines of one service, and ends with them.
struct Follower {
    wire: Wire,
}

impl Follower {
    /// Connects, and takes what was kept until now.
    async fn open(socket: &Path, feed: &Feed) -> Result<Self, CallError> {
        let opened = async {
            let mut wire = Wire::open(socket).await?;
            if wire.found.generation != Generation::Gen2 {
                return Err(unavailable(socket, "another zinit took its place: try again"));
            }
            let kept = wire.exchange("stream_currentLogs", &json!([feed.name])).await?;
            {
                let mut state = feed.state();
                // What another Zinit keeps was written since it began.
                if state.server != wire.found.server {
                    state.read.clear();
                    state.server = wire.found.server;
                }
            }
            feed.catch_up(texts(&kept));
            Ok(Self { wire })
        };
        timeout(READ, opened).await.unwrap_or(Err(CallError::TimedOut { after: READ }))
    }

    /// Subscribes and takes what comes, until the connection ends.
    async fn run(&mut self, feed: &Feed) -> Result<(), CallError> {
        let (between, early) =
            timeout(READ, self.subscribe(feed)).await.unwrap_or(Err(CallError::TimedOut { after: READ }))?;
        let mut repeated = Repeated::new(between);
        for raw in early {
            feed.take(&repeated.hear(raw));
        }
        let until = Instant::now() + REPEATED;
        while !repeated.is_over() {
            let Ok(message) = timeout_at(until, self.wire.reader.message()).await else { break };
            if let Some(raw) = notified(&message?) {
                feed.take(&repeated.hear(raw));
            }
        }
        feed.take(&repeated.end());
        loop {
            let message = self.wire.reader.message().await?;
            feed.take(notified(&message).as_slice());
        }
    }

    /// Answers with what was written while it subscribed, which is taken, and with what the subscription has brought so far,
    /// which is not: some of it may be the same.
    async fn subscribe(&mut self, feed: &Feed) -> Result<(Vec<String>, Vec<String>), CallError> {
        let name = json!([feed.name]);
        self.wire.exchange("stream_subscribeLogs", &name).await?;
        sleep(STANDS).await;
        let asked = self.wire.writer.send("stream_currentLogs", &name).await?;
        let mut early = Vec::new();
        loop {
            let message = self.wire.reader.message().await?;
            if message["id"].as_u64() == Some(asked) {
                let between = feed.catch_up(texts(&result_of(message)?));
                return Ok((between, early));
            }
            early.extend(notified(&message));
        }
    }
}

/// The line that a subscription brings.
fn notified(message: &Value) -> Option<String> {
    message["params"]["result"].as_str().map(str::to_owned)
}
