//! A proxy between a supervisor and Redis, which loses answers, changes one, or cuts connections.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::redis::PrivateRedis;

/// Stands between a supervisor and Redis. Requests always pass; answers can be held back or changed, and connections cut.
pub(super) struct Between {
    socket: PathBuf,
    orders: Arc<Orders>,
    cut: watch::Sender<u64>,
    _tasks: JoinSet<()>,
}

/// What is done to answers.
#[derive(Default)]
struct Orders {
    mute: AtomicBool,
    /// The word in a request from which on answers are held back.
    trigger: Mutex<Option<&'static str>>,
    /// The word in a request whose answer is another one, and that answer.
    other: Mutex<Option<(&'static str, String)>>,
}

impl Between {
    pub(super) fn start(redis: &PrivateRedis) -> Self {
        let socket = redis.socket().with_file_name("between.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (orders, cut) = (Arc::<Orders>::default(), watch::Sender::new(0));
        let (kept, cuts, target) = (Arc::clone(&orders), cut.clone(), redis.socket());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (here, _) = listener.accept().await.unwrap();
                let (orders, mut cut, target) = (Arc::clone(&kept), cuts.subscribe(), target.clone());
                connections.spawn(async move {
                    tokio::select! {
                        _cut = cut.changed() => {}
                        () = pass(here, target, &orders) => {}
                    }
                });
            }
        });
        Self { socket, orders, cut, _tasks: tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// From now on no answer comes through.
    pub(super) fn mute(&self) {
        self.orders.mute.store(true, Ordering::SeqCst);
    }

    /// From the first request with this word on no answer comes through.
    pub(super) fn mute_from(&self, word: &'static str) {
        *self.orders.trigger.lock().unwrap() = Some(word);
    }

    /// The first request with this word is answered with something else.
    pub(super) fn answer_once(&self, word: &'static str, answer: String) {
        *self.orders.other.lock().unwrap() = Some((word, answer));
    }

    /// True once that was done.
    pub(super) fn has_answered(&self) -> bool {
        self.orders.other.lock().unwrap().is_none()
    }

    /// Ends all connections; those that are made from now on are whole.
    pub(super) fn renew(&self) {
        *self.orders.trigger.lock().unwrap() = None;
        self.orders.mute.store(false, Ordering::SeqCst);
        self.cut.send_modify(|times| *times += 1);
    }
}

async fn pass(here: UnixStream, target: PathBuf, orders: &Orders) {
    let Ok(there) = UnixStream::connect(target).await else { return };
    let (mut from_here, mut to_here) = here.into_split();
    let (mut from_there, mut to_there) = there.into_split();
    let other = Mutex::new(None::<String>);
    let answers = async {
        let mut buffer = vec![0; 65536];
        while let Ok(size @ 1..) = from_there.read(&mut buffer).await {
            let changed = other.lock().unwrap().take();
            let answer = changed.as_deref().map_or(&buffer[..size], str::as_bytes);
            if !orders.mute.load(Ordering::SeqCst) && to_here.write_all(answer).await.is_err() {
                break;
            }
        }
    };
    let requests = async {
        let mut buffer = vec![0; 65536];
        while let Ok(size @ 1..) = from_here.read(&mut buffer).await {
            let request = String::from_utf8_lossy(&buffer[..size]);
            if orders.trigger.lock().unwrap().is_some_and(|word| request.contains(word)) {
                orders.mute.store(true, Ordering::SeqCst);
            }
            let met = |(word, _answer): &mut (&'static str, String)| request.contains(*word);
            if let Some((_word, answer)) = orders.other.lock().unwrap().take_if(met) {
                *other.lock().unwrap() = Some(answer);
            }
            if to_there.write_all(&buffer[..size]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}
