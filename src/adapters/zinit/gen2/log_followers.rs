//! The lines of services that somebody reads, numbered.
//!
//! Zinit numbers no lines and notes no times, but sends new ones to who subscribes. So there is a follower for each service
//! that is read: it has a connection of its own, so that no call waits behind lines, and ends when nobody has read
//! for a while, so that Zinit sends nothing to nobody. A subscription brings only what is written after it, so what is
//! kept is asked for once more when it stands, and joined with it where both overlap.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};
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
use crate::lock::Lock;
use crate::ports::process_manager::{LogBatch, LogPosition, ProcessError};

/// Between two tries to subscribe.
const RETRY: Duration = Duration::from_millis(500);
/// A subscription is confirmed a moment before it stands.
const STANDS: Duration = Duration::from_millis(50);
/// Time within which lines behind a subscription may come a second time.
const REPEATED: Duration = Duration::from_secs(1);
/// A follower that nobody has read from for so long is ended.
const IDLE: Duration = Duration::from_secs(3);
/// Time for which read lines are kept, so that a reader who comes back goes on at its place.
const KEPT: Duration = Duration::from_secs(600);

/// Followers of services.
pub(super) struct LogFollowers {
    socket: PathBuf,
    followers: Lock<BTreeMap<String, Arc<LogFollower>>>,
    tasks: TaskTracker,
    closed: CancellationToken,
}

/// Reader of the output of one service.
struct LogFollower {
    name: String,
    ring: LogRing,
    state: Lock<State>,
    /// Taken to begin and to end following.
    switch: Semaphore,
    forgotten: CancellationToken,
}

#[derive(Debug)]
struct State {
    /// The pid of the Zinit that was read from last, if that can be seen.
    server: Option<i32>,
    read: Read,
    readers: usize,
    /// Time at which the last reader left.
    left: Instant,
    is_followed: bool,
}

/// Guard of a reader that waits for lines.
struct Reader<'a>(&'a LogFollower);

impl LogFollowers {
    pub(super) fn new(socket: &Path) -> Self {
        let (tasks, closed) = (TaskTracker::new(), CancellationToken::new());
        Self { socket: socket.to_owned(), followers: Lock::default(), tasks, closed }
    }

    /// Reads the lines behind `after`, and waits for one if there is none yet.
    pub(super) async fn read(
        &self,
        name: &str,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> Result<LogBatch, ProcessError> {
        let follower = self.follower(name);
        let _reader = follower.enter();
        {
            // It is never closed.
            let _lock = follower.switch.acquire().await.ok();
            if !follower.state().is_followed {
                // Here, so that an unreachable Zinit is told, and the first answer has all that was kept.
                let subscription = Subscription::open(&self.socket, &follower).await?;
                follower.state().is_followed = true;
                let (follower, socket) = (follower.clone(), self.socket.clone());
                self.tasks.spawn(async move {
                    let forgotten = follower.forgotten.clone();
                    forgotten.run_until_cancelled(follower.follow(&socket, subscription)).await;
                });
            }
        }
        Ok(follower.ring.read(after, wait).await)
    }

    fn follower(&self, name: &str) -> Arc<LogFollower> {
        let mut followers = self.followers.lock();
        followers.retain(|known, follower| known == name || follower.is_needed());
        let new = || {
            Arc::new(LogFollower {
                name: name.to_owned(),
                ring: LogRing::default(),
                state: Lock::new(State {
                    server: None,
                    read: Read::default(),
                    readers: 0,
                    left: Instant::now(),
                    is_followed: false,
                }),
                switch: Semaphore::new(1),
                forgotten: self.closed.child_token(),
            })
        };
        followers.entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// Ends the follower of a service that is removed.
    pub(super) fn forget(&self, name: &str) {
        let mut followers = self.followers.lock();
        if let Some(follower) = followers.remove(name) {
            follower.forgotten.cancel();
        }
    }

    pub(super) async fn close(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl LogFollower {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
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
    async fn follow(&self, socket: &Path, first: Subscription) {
        let mut subscription = Some(first);
        loop {
            tokio::select! {
                () = self.keep_following(socket, subscription.take()) => {}
                () = self.until_idle() => {}
            }
            let _lock = self.switch.acquire().await.ok();
            let mut state = self.state();
            if state.readers == 0 {
                state.is_followed = false;
                return;
            }
        }
    }

    /// Follows, again and again.
    async fn keep_following(&self, socket: &Path, mut open: Option<Subscription>) {
        loop {
            let subscription = match open.take() {
                Some(subscription) => Ok(subscription),
                None => Subscription::open(socket, self).await,
            };
            let ended = match subscription {
                Ok(mut subscription) => subscription.run(self).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::debug!(name = %self.name, %error, "zinit service {}: its log cannot be followed now", self.name);
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
struct Subscription {
    wire: Wire,
}

impl Subscription {
    /// Connects, and takes what was kept until now.
    async fn open(socket: &Path, follower: &LogFollower) -> Result<Self, CallError> {
        let opened = async {
            let mut wire = Wire::open(socket).await?;
            if wire.found.generation != Generation::Gen2 {
                return Err(unavailable(socket, "another zinit took its place: try again"));
            }
            let kept = wire.exchange("stream_currentLogs", &json!([follower.name])).await?;
            {
                let mut state = follower.state();
                // What another Zinit keeps was written since it began.
                if state.server != wire.found.server {
                    state.read.clear();
                    state.server = wire.found.server;
                }
            }
            follower.catch_up(texts(&kept));
            Ok(Self { wire })
        };
        timeout(READ, opened).await.unwrap_or(Err(CallError::TimedOut { after: READ }))
    }

    /// Subscribes and takes what comes, until the connection ends.
    async fn run(&mut self, follower: &LogFollower) -> Result<(), CallError> {
        let (between, early) = timeout(READ, self.subscribe(follower))
            .await
            .unwrap_or(Err(CallError::TimedOut { after: READ }))?;
        let mut repeated = Repeated::new(between);
        for raw in early {
            follower.take(&repeated.hear(raw));
        }
        let until = Instant::now() + REPEATED;
        while !repeated.is_over() {
            let Ok(message) = timeout_at(until, self.wire.reader.message()).await else { break };
            if let Some(raw) = notified(&message?) {
                follower.take(&repeated.hear(raw));
            }
        }
        follower.take(&repeated.end());
        loop {
            let message = self.wire.reader.message().await?;
            follower.take(notified(&message).as_slice());
        }
    }

    /// Answers with what was written while it subscribed, which is taken, and with what the subscription has brought so far,
    /// which is not: some of it may be the same.
    async fn subscribe(&mut self, follower: &LogFollower) -> Result<(Vec<String>, Vec<String>), CallError> {
        let name = json!([follower.name]);
        self.wire.exchange("stream_subscribeLogs", &name).await?;
        sleep(STANDS).await;
        let asked = self.wire.writer.send("stream_currentLogs", &name).await?;
        let mut early = Vec::new();
        loop {
            let message = self.wire.reader.message().await?;
            if message["id"].as_u64() == Some(asked) {
                let between = follower.catch_up(texts(&result_of(message)?));
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
