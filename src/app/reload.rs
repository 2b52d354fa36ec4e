//! Files that are loaded again while the service runs: at SIGHUP, and when a poll shows a change.
//!
//! A poll compares metadata of the files behind links, so that a swapped link is seen, as Kubernetes and certbot do it.
//! Notifications of the system (inotify) are not used: they miss swapped folders and network file systems.

use std::fmt::Debug;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::adapters::system_clock::SystemClock;
use crate::domain::events::Events;
use crate::domain::model::event::{Event, EventKind, Source};
use crate::domain::model::id::NodeName;
use crate::ports::clock::Clock;
use crate::telemetry::metrics::CONFIG_RELOAD_SUCCESS;

/// Interval of the polls. With [`SETTLE`] a change is in force within five seconds.
const POLL_INTERVAL: Duration = Duration::from_secs(4);
/// Delay between two polls of files that change, so that a certificate and a key that are written one after the other are
/// not read in between.
const SETTLE: Duration = Duration::from_millis(400);
/// Most such delays for one change.
const MOST_DELAYS: u32 = 5;
/// Limit of a poll and of loading; files on a lost network share would block for ever.
const LIMIT: Duration = Duration::from_secs(10);

/// Catches SIGHUP where there are no files to load again. Its default would end the service.
///
/// # Errors
/// A system that refuses.
pub(super) fn nothing_to_load() -> io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            tracing::info!(
                "configuration: SIGHUP changes nothing (there are no certificates, tokens or keys to load)"
            );
        }
    })
}

/// A value that is read from files, and again when they change.
pub(crate) trait Reloadable: Debug + Send + Sync {
    /// Name in logs, events and metrics: `tls` for instance.
    fn subject(&self) -> &'static str;

    /// The files.
    fn files(&self) -> Vec<PathBuf>;

    /// Reads all files, checks them, and puts them in force at once. Returns one fact about them. It may block.
    ///
    /// # Errors
    /// The fault and the remedy. What was in force stays in force.
    fn reload(&self) -> Result<String, String>;
}

/// Watches the files of one [`Reloadable`] until it is dropped.
pub(super) struct Watch {
    what: Arc<dyn Reloadable>,
    hangup: Signal,
    events: Events,
    node: NodeName,
    seen: Vec<FileState>,
    /// A poll that the system has not answered yet.
    polling: Option<JoinHandle<Vec<FileState>>>,
    fault: Option<String>,
}

impl Watch {
    /// Begins to catch SIGHUP.
    ///
    /// # Errors
    /// A system that refuses.
    pub(super) fn begin(what: Arc<dyn Reloadable>, events: Events, node: NodeName) -> io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        gauge!(CONFIG_RELOAD_SUCCESS, "subject" => what.subject()).set(1.0);
        Ok(Self { what, hangup, events, node, seen: Vec::new(), polling: None, fault: None })
    }

    /// Polls the files, and loads them after a change and at SIGHUP. The first poll is followed by
    /// loading as well, since the files may have changed after they were first loaded.
    pub(super) async fn run(mut self) {
        let mut occasion = Occasion::Start;
        let mut polls = interval(POLL_INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.settled().await {
                Err(fault) => self.failed(occasion, fault),
                // A fault may go away without a change of the files: a clock that is set, for instance.
                Ok(changed) if changed || occasion != Occasion::Poll || self.fault.is_some() => {
                    self.reload(occasion).await;
                }
                Ok(_unchanged) => {}
            }
            occasion = tokio::select! {
                _ = polls.tick() => Occasion::Poll,
                _ = self.hangup.recv() => Occasion::Hangup,
            };
        }
    }

    /// Returns true if the files have changed since the last poll, once they no longer change.
    async fn settled(&mut self) -> Result<bool, String> {
        let mut now = self.poll_files().await?;
        if now == self.seen {
            return Ok(false);
        }
        for _delay in 0..MOST_DELAYS {
            sleep(SETTLE).await;
            let later = self.poll_files().await?;
            if later == now {
                break;
            }
            now = later;
        }
        self.seen = now;
        Ok(true)
    }

    async fn poll_files(&mut self) -> Result<Vec<FileState>, String> {
        let files = self.what.files();
        let begin = || tokio::task::spawn_blocking(move || states(&files));
        let mut polling = self.polling.take().unwrap_or_else(begin);
        match timeout(LIMIT, &mut polling).await {
            Ok(polled) => polled.map_err(|error| error.to_string()),
            Err(_elapsed) => {
                self.polling = Some(polling);
                Err(format!(
                    "the system has not answered within {LIMIT:?}: look at the disk that the files are on"
                ))
            }
        }
    }

    async fn reload(&mut self, occasion: Occasion) {
        let what = Arc::clone(&self.what);
        let loading = tokio::task::spawn_blocking(move || what.reload());
        match timeout(LIMIT, loading).await {
            Ok(Ok(Ok(fact))) => self.succeeded(occasion, &fact),
            Ok(Ok(Err(fault))) => self.failed(occasion, fault),
            Ok(Err(panicked)) => self.failed(occasion, panicked.to_string()),
            Err(_elapsed) => self.failed(occasion, format!("the files were not read within {LIMIT:?}")),
        }
    }

    fn succeeded(&mut self, occasion: Occasion, fact: &str) {
        let subject = self.what.subject();
        let healed = self.fault.take().is_some();
        gauge!(CONFIG_RELOAD_SUCCESS, "subject" => subject).set(1.0);
        if occasion == Occasion::Start && !healed {
            return;
        }
        let message = format!("{subject}: loaded again ({fact})");
        tracing::info!("{message}");
        self.emit(EventKind::ServerReloaded { subject: subject.to_owned() }, message);
    }

    /// Reports a fault once, however often loading is tried, and again at each SIGHUP.
    fn failed(&mut self, occasion: Occasion, fault: String) {
        let subject = self.what.subject();
        gauge!(CONFIG_RELOAD_SUCCESS, "subject" => subject).set(0.0);
        if occasion != Occasion::Hangup && self.fault.as_ref() == Some(&fault) {
            return;
        }
        let message = format!("{subject}: not loaded, what was loaded before stays in force ({fault})");
        tracing::error!("{message}");
        self.fault = Some(fault.clone());
        self.emit(EventKind::ServerReloadFailed { subject: subject.to_owned(), reason: fault }, message);
    }

    fn emit(&self, kind: EventKind, message: String) {
        let event = Event::new(SystemClock.now(), Source::Supervisor, kind, message);
        self.events.emit(event.on_node(&self.node));
    }
}

/// Occasion of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// The watch has begun.
    Start,
    /// The regular check of the files.
    Poll,
    /// A SIGHUP.
    Hangup,
}

/// Compared metadata of a file; None for a file that is not there.
type FileState = Option<Metadata>;

/// The part of the metadata of a file that changes with its content, its place or its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Metadata {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

fn states(files: &[PathBuf]) -> Vec<FileState> {
    files.iter().map(|file| state(file)).collect()
}

/// Returns the state of a file, behind all links.
fn state(file: &Path) -> FileState {
    let metadata = std::fs::metadata(file).ok()?;
    Some(Metadata {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Mutex;

    use tempfile::TempDir;
    use tokio::sync::mpsc;
    use tokio::task::JoinSet;

    use super::*;

    /// A word in a file; "bad" cannot be used.
    #[derive(Debug)]
    struct Word {
        file: PathBuf,
        loaded: Mutex<String>,
    }

    impl Reloadable for Word {
        fn subject(&self) -> &'static str {
            "word"
        }

        fn files(&self) -> Vec<PathBuf> {
            vec![self.file.clone()]
        }

        fn reload(&self) -> Result<String, String> {
            let word = std::fs::read_to_string(&self.file).map_err(|error| error.to_string())?;
            if word == "bad" {
                return Err("it is bad".to_owned());
            }
            self.loaded.lock().unwrap().clone_from(&word);
            Ok(word)
        }
    }

    struct Watched {
        dir: TempDir,
        word: Arc<Word>,
        told: mpsc::Receiver<Event>,
        _watching: JoinSet<()>,
    }

    impl Watched {
        fn begin(word: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("word");
            std::fs::write(&file, word).unwrap();
            let word = Arc::new(Word { file, loaded: Mutex::default() });
            let (events, told) = Events::channel();
            let watch = Watch::begin(Arc::clone(&word) as Arc<_>, events, NodeName::default()).unwrap();
            let mut watching = JoinSet::new();
            watching.spawn(watch.run());
            Self { dir, word, told, _watching: watching }
        }

        async fn told(&mut self) -> String {
            timeout(Duration::from_secs(5), self.told.recv())
                .await
                .expect("within five seconds")
                .unwrap()
                .message
        }

        async fn nothing_told(&mut self) {
            let told = timeout(Duration::from_secs(30), self.told.recv()).await;
            assert!(told.is_err(), "{told:?}");
        }

        fn loaded(&self) -> String {
            self.word.loaded.lock().unwrap().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_loaded_within_five_seconds_and_told_once() {
        let mut watched = Watched::begin("one");
        watched.nothing_told().await;
        assert_eq!(watched.loaded(), "one");
        std::fs::write(&watched.word.file, "two").unwrap();
        assert_eq!(watched.told().await, "word: loaded again (two)");
        assert_eq!(watched.loaded(), "two");
        watched.nothing_told().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_swapped_link_is_a_change_though_the_link_in_front_of_it_stays() {
        let mut watched = Watched::begin("one");
        watched.nothing_told().await;
        // As Kubernetes lays out a secret: file -> data/file, data -> a folder that is replaced as a whole.
        let at = |name: &str| watched.dir.path().join(name);
        for (folder, word) in [("v1", "one"), ("v2", "two")] {
            std::fs::create_dir(at(folder)).unwrap();
            std::fs::write(at(folder).join("word"), word).unwrap();
        }
        symlink("v1", at("data")).unwrap();
        symlink("data/word", at("link")).unwrap();
        std::fs::rename(at("link"), &watched.word.file).unwrap();
        let (new, data) = (at("new"), at("data"));
        assert_eq!(watched.told().await, "word: loaded again (one)");
        symlink("v2", &new).unwrap();
        std::fs::rename(&new, &data).unwrap();
        assert_eq!(watched.told().await, "word: loaded again (two)");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_used_changes_nothing_is_told_once_and_is_tried_again() {
        let mut watched = Watched::begin("one");
        watched.nothing_told().await;
        std::fs::write(&watched.word.file, "bad").unwrap();
        let told = watched.told().await;
        assert_eq!(told, "word: not loaded, what was loaded before stays in force (it is bad)");
        assert_eq!(watched.loaded(), "one");
        watched.nothing_told().await;
        std::fs::remove_file(&watched.word.file).unwrap();
        assert!(watched.told().await.contains("No such file"), "another fault");
        std::fs::write(&watched.word.file, "three").unwrap();
        assert_eq!(watched.told().await, "word: loaded again (three)");
    }
}
