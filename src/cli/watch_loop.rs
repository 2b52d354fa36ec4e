//! Watches that go on by themselves behind their last message when the connection or the server was gone.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::output::print_notice;
use super::{ClientArgs, Exit, Failure};
use crate::client::code_of;
use crate::domain::model::backoff::Backoff;
use crate::proto::supervisor_client::SupervisorClient;

/// What is asked of the server; a longer silence means that it is gone.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);
const LONGEST_SILENCE: Duration = Duration::from_secs(45);
/// Between two tries to get to the server again.
const RETRY: Backoff = Backoff { initial: Duration::from_millis(250), max: Duration::from_secs(5) };

/// How a watch ended.
pub(super) enum End {
    /// It can go on behind the last cursor.
    Lost(String),
    /// It cannot: what came behind the cursor is gone.
    Expired,
    /// It makes no sense to try again.
    Failed(Failure),
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        match code_of(&status) {
            Code::OutOfRange => Self::Expired,
            Code::Unavailable | Code::Aborted | Code::Cancelled | Code::Unknown | Code::DeadlineExceeded => {
                Self::Lost(status.message().to_owned())
            }
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => Self::Failed(status.into()),
        }
    }
}

/// What is known between two connections.
pub(super) trait ResumableWatch {
    /// Where the server is.
    fn client(&self) -> &ClientArgs;
    /// Behind which message to go on; empty for what is new.
    fn cursor(&mut self) -> &mut String;
    /// Follows until the connection ends, and keeps the cursor.
    async fn follow(&mut self, server: &mut SupervisorClient<Channel>) -> Result<Infallible, End>;
}

/// Watches until it makes no sense any more.
pub(super) async fn watch(mut watch: impl ResumableWatch) -> Result<Exit, Failure> {
    // The first connection has to work; later ones are waited for.
    let mut server = Some(watch.client().connect().await?);
    let mut failures = 0_u32;
    loop {
        let before = watch.cursor().clone();
        let server = match server.take() {
            Some(server) => Ok(server),
            None => watch.client().connect().await,
        };
        let end = match server {
            Ok(mut server) => match watch.follow(&mut server).await {
                Ok(never) => match never {},
                Err(end) => end,
            },
            Err(failure) => End::Lost(failure.message),
        };
        if *watch.cursor() != before {
            failures = 0;
        }
        match end {
            End::Failed(failure) => return Err(failure),
            End::Expired => {
                print_notice("some events are no longer kept and were missed; going on with what is new");
                watch.cursor().clear();
            }
            End::Lost(why) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    print_notice(&format!("the connection is lost and will be taken up again: {why}"));
                }
                sleep(RETRY.delay(failures, fastrand::f64())).await;
            }
        }
    }
}

/// The next message.
pub(super) async fn next<M>(stream: &mut Streaming<M>) -> Result<M, End> {
    match timeout(LONGEST_SILENCE, stream.message()).await {
        Ok(Ok(Some(message))) => Ok(message),
        Ok(Ok(None)) => Err(End::Lost("the server has ended the watch".to_owned())),
        Ok(Err(status)) => Err(status.into()),
        Err(_silence) => Err(End::Lost("the server says nothing any more".to_owned())),
    }
}
