use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Code, async_trait};

use super::{Watched, stream};
use crate::grpc::gate::Gate;
use crate::grpc::proto::bookmark::Kind;
use crate::grpc::status::Failure;

/// Numbers that come in; a bookmark is its kind.
struct Numbers(mpsc::Receiver<i32>);

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

    fn note_pause(&mut self, _paused: Duration) {}
}

const HEARTBEAT: Duration = Duration::from_secs(15);

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_a_heartbeat_and_only_silence() {
    let (sender, receiver) = mpsc::channel(4);
    let mut watch = stream(Numbers(receiver), HEARTBEAT, Gate::default());
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
    let gate = Gate::default();
    let mut watch = stream(Numbers(receiver), HEARTBEAT, gate.clone());
    gate.ending.cancel();
    assert_eq!(watch.next().await.unwrap().unwrap(), Message::Mark(Kind::Closing));
    assert_eq!(watch.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_watch_that_has_nothing_more_to_say_ends_well() {
    let (sender, receiver) = mpsc::channel(1);
    drop(sender);
    let mut watch = stream(Numbers(receiver), HEARTBEAT, Gate::default());
    assert!(watch.next().await.is_none());
}
