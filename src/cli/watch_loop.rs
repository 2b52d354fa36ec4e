//! The loop of a watch that resumes after its last message when the connection or the server was lost.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::{Status, Streaming};

use super::client::Server;
use super::output::print_notice;
use super::{ClientArgs, Exit, Failure};
use crate::client::{ClientError, Disposition};
use crate::domain::model::backoff::Backoff;

/// Heartbeat interval that the watches ask for.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);
/// Silence after which the server counts as lost.
const LONGEST_SILENCE: Duration = Duration::from_secs(45);
/// Delay between two attempts to reconnect.
pub(super) const RETRY: Backoff = Backoff::of_millis(250, 5_000);

/// The end of one connection of a watch.
pub(super) enum End {
    /// The watch can be resumed after the last cursor.
    Lost(String),
    /// The events after the cursor are no longer kept.
    Expired,
    /// A repeat fails as well.
    Failed(Failure),
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        match ClientError::from(status.clone()).disposition() {
            Disposition::Restart => Self::Expired,
            Disposition::Retry | Disposition::Resume => Self::Lost(status.message().to_owned()),
            Disposition::Final => Self::Failed(status.into()),
        }
    }
}

/// A watch that can be resumed.
pub(super) trait ResumableWatch {
    /// Returns the address and the options of the connection.
    fn client(&self) -> &ClientArgs;
    /// Returns the cursor of the last message; empty means that only new events are wanted.
    fn cursor(&mut self) -> &mut String;
    /// Follows one connection to its end and keeps the cursor.
    async fn follow(&mut self, server: &mut Server) -> Result<Infallible, End>;
}

/// Follows a watch over all its connections.
///
/// # Errors
/// A first connection that fails, and errors that a repeat does not cure.
pub(super) async fn watch(mut watch: impl ResumableWatch) -> Result<Exit, Failure> {
    // Only the first connection must succeed at once.
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
                print_notice("events were missed, because they are no longer kept; following new ones");
                watch.cursor().clear();
            }
            End::Lost(why) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    print_notice(&format!("connection lost, reconnecting: {why}"));
                }
                sleep(RETRY.delay(failures, fastrand::f64())).await;
            }
        }
    }
}

/// Waits for the next message.
pub(super) async fn next<M>(stream: &mut Streaming<M>) -> Result<M, End> {
    match timeout(LONGEST_SILENCE, stream.message()).await {
        Ok(Ok(Some(message))) => Ok(message),
        Ok(Ok(None)) => Err(End::Lost("the server has ended the watch".to_owned())),
        Ok(Err(status)) => Err(status.into()),
        Err(_silence) => Err(End::Lost("the server is silent".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_and_the_client_agree_on_what_can_be_repeated() {
        let statuses = [
            Status::internal("x"),
            Status::unknown("x"),
            Status::aborted("x"),
            Status::cancelled("x"),
            Status::unavailable("x"),
            Status::out_of_range("x"),
            Status::not_found("x"),
        ];
        for status in statuses {
            let disposition = ClientError::from(status.clone()).disposition();
            let agrees = match End::from(status.clone()) {
                End::Lost(_) => matches!(disposition, Disposition::Retry | Disposition::Resume),
                End::Expired => disposition == Disposition::Restart,
                End::Failed(_) => disposition == Disposition::Final,
            };
            assert!(agrees, "{status}: {disposition:?}");
        }
        assert!(matches!(End::from(Status::internal("x")), End::Lost(_)));
        assert!(matches!(End::from(Status::aborted("x")), End::Failed(_)));
    }
}
