use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Code, async_trait};

use super::{Watched, stream};
use crate::grpc::shutdown_gate::ShutdownGate;
use crate::grpc::status::Failure;
use crate::proto::bookmark::Kind;

/// Numbers that come in, and for how long nobody took them; a bookmark is its kind.
struct Numbers(mpsc::Receiver<i32>, Arc<Mutex<Duration>>);

impl Numbers {
    fn new(numbers: mpsc::Receiver<i32>) -> Self {
        Self(numbers, Arc::default())
    }
}

#[derive(Debug, PartialEq)]
enum Message {
    Number(i32),
    Mark(Kind),
}

#[async_trait]
impl Watched for Numbers {
    type Message = Message;

    async fn next(&mut self) -> Result<Option<Message>, Failure> {
        Ok(self.0.recv().await.map(Message::Number))
    }

    fn bookmark(&self, kind: Kind) -> Message {
        Message::Mark(kind)
    }

    fn note_pause(&mut self, paused: Duration) {
        let mut longest = self.1.lock().unwrap();
        *longest = paused.max(*longest);
    }
}

const HEARTBEAT: Duration = Duration::from_secs(15);

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_a_heartbeat_and_only_silence() {
    let (sender, receiver) = mpsc::channel(4);
    let mut watch = stream(Numbers::new(receiver), HEARTBEAT, ShutdownGate::default());
    let begun = Instant::now();
    assert_eq!(watch.next().await.unwrap().unwrap(), Message::Mark(Kind::Heartbeat));
    assert_eq!(begun.elapsed(), HEARTBEAT);
    sender.send(1).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap(), Message::Number(1));
    let quiet_since = Instant::now();
    assert_eq!(watch.next().await.unwrap().unwrap(), Message::Mark(Kind::Heartbeat));
    assert_eq!(quiet_since.elapsed(), HEARTBEAT);
}

#[tokio::test]
async fn a_watch_ends_with_a_bookmark_and_the_reason_when_the_server_goes_down() {
    let (_sender, receiver) = mpsc::channel(1);
    let gate = ShutdownGate::default();
    let mut watch = stream(Numbers::new(receiver), HEARTBEAT, gate.clone());
    gate.ending.cancel();
    assert_eq!(watch.next().await.unwrap().unwrap(), Message::Mark(Kind::Closing));
    assert_eq!(watch.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_watch_that_has_nothing_more_to_say_ends_well() {
    let (sender, receiver) = mpsc::channel(1);
    drop(sender);
    let mut watch = stream(Numbers::new(receiver), HEARTBEAT, ShutdownGate::default());
    assert!(watch.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_noticed_also_when_he_stopped_while_there_was_nothing() {
    const PAUSE: Duration = Duration::from_secs(7);
    let (sender, receiver) = mpsc::channel(4);
    let numbers = Numbers::new(receiver);
    let longest = Arc::clone(&numbers.1);
    let mut watch = stream(numbers, HEARTBEAT, ShutdownGate::default());
    // It is asked, and has nothing to say; nobody asks again when it has.
    tokio::time::timeout(Duration::from_millis(1), watch.next()).await.unwrap_err();
    sender.send(1).await.unwrap();
    tokio::time::advance(PAUSE).await;
    assert_eq!(watch.next().await.unwrap().unwrap(), Message::Number(1));
    assert_eq!(*longest.lock().unwrap(), PAUSE);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_what_does_not_come_takes_no_pause() {
    let (sender, receiver) = mpsc::channel(4);
    let numbers = Numbers::new(receiver);
    let longest = Arc::clone(&numbers.1);
    let mut watch = stream(numbers, HEARTBEAT, ShutdownGate::default());
    let (next, _sent) = tokio::join!(watch.next(), async {
        tokio::time::sleep(HEARTBEAT / 2).await;
        sender.send(1).await
    });
    assert_eq!(next.unwrap().unwrap(), Message::Number(1));
    assert_eq!(*longest.lock().unwrap(), Duration::ZERO);
}
