//! A proxy between a supervisor and Redis, which loses answers, changes one, or cuts connections.

use std::collections::VecDeque;
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

/// A word in requests, and what these are answered with.
type Other = (&'static str, VecDeque<Vec<u8>>);

/// What is done to answers.
#[derive(Default)]
struct Orders {
    mute: AtomicBool,
    /// The word in a request from which on answers are held back.
    trigger: Mutex<Option<&'static str>>,
    /// The word in requests that are answered with something else, and those answers.
    other: Mutex<Option<Other>>,
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

    /// The next requests with this word are answered with these answers, one after the other.
    pub(super) fn answer_once(&self, word: &'static str, answers: &str) {
        let mut frames = Frames(answers.as_bytes().to_vec());
        let answers = std::iter::from_fn(|| frames.next()).collect();
        *self.orders.other.lock().unwrap() = Some((word, answers));
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

/// Bytes of which whole values of the Redis protocol are taken.
#[derive(Default)]
struct Frames(Vec<u8>);

impl Frames {
    fn next(&mut self) -> Option<Vec<u8>> {
        let length = frame_length(&self.0)?;
        Some(self.0.drain(..length).collect())
    }
}

/// Length of the first value; None while it is not whole.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|two| two == b"\r\n")? + 2;
    let number = || std::str::from_utf8(&bytes[1..line - 2]).unwrap().parse::<i64>().unwrap();
    match bytes[0] {
        b'$' | b'=' | b'!' => {
            let whole = usize::try_from(number()).map_or(line, |text| line + text + 2);
            (bytes.len() >= whole).then_some(whole)
        }
        kind @ (b'*' | b'~' | b'>' | b'%') => {
            let values = usize::try_from(number()).unwrap_or_default() * if kind == b'%' { 2 } else { 1 };
            (0..values).try_fold(line, |end, _value| Some(end + frame_length(&bytes[end..])?))
        }
        _line => Some(line),
    }
}

impl Orders {
    /// Looks at a request; answers with what it is answered with instead of what Redis says.
    fn meet(&self, request: &[u8]) -> Option<Vec<u8>> {
        let request = String::from_utf8_lossy(request);
        if self.trigger.lock().unwrap().is_some_and(|word| request.contains(word)) {
            self.mute.store(true, Ordering::SeqCst);
        }
        let mut other = self.other.lock().unwrap();
        let (_word, answers) = other.as_mut().filter(|(word, _answers)| request.contains(*word))?;
        let answer = answers.pop_front();
        if answers.is_empty() {
            *other = None;
        }
        answer
    }
}

async fn pass(here: UnixStream, target: PathBuf, orders: &Orders) {
    let Ok(there) = UnixStream::connect(target).await else { return };
    let (mut from_here, mut to_here) = here.into_split();
    let (mut from_there, mut to_there) = there.into_split();
    // What each request that waits for its answer is answered with instead, in their order.
    let waiting = Mutex::new(VecDeque::<Option<Vec<u8>>>::new());
    let answers = async {
        let (mut frames, mut buffer) = (Frames::default(), vec![0; 65536]);
        while let Ok(size @ 1..) = from_there.read(&mut buffer).await {
            frames.0.extend_from_slice(&buffer[..size]);
            while let Some(answer) = frames.next() {
                // Messages of channels are no answers.
                let is_push = answer.starts_with(b">");
                let other = if is_push { None } else { waiting.lock().unwrap().pop_front().flatten() };
                let answer = other.unwrap_or(answer);
                if !orders.mute.load(Ordering::SeqCst) && to_here.write_all(&answer).await.is_err() {
                    return;
                }
            }
        }
    };
    let requests = async {
        let (mut frames, mut buffer) = (Frames::default(), vec![0; 65536]);
        while let Ok(size @ 1..) = from_here.read(&mut buffer).await {
            frames.0.extend_from_slice(&buffer[..size]);
            while let Some(request) = frames.next() {
                waiting.lock().unwrap().push_back(orders.meet(&request));
                if to_there.write_all(&request).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}
