//! What is let in, and what is still waited for, while the server goes down.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use crate::error::SupervisorError;
use crate::grpc::status::Failure;

/// Refuses new work from the first signal on, and ends waits when connections are about to end. A cheap clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShutdownGate {
    /// Cancelled by the first signal.
    pub(crate) soft: CancellationToken,
    /// Cancelled when connections are about to end.
    pub(crate) ending: CancellationToken,
}

impl ShutdownGate {
    /// Lets a call in that changes something or waits.
    pub(crate) fn enter(&self) -> Result<(), Failure> {
        if self.soft.is_cancelled() { Err(SupervisorError::ShuttingDown.into()) } else { Ok(()) }
    }

    /// Does something that may take long, unless the server goes down. What was begun goes on without its caller.
    pub(crate) async fn run<T>(
        &self,
        work: impl Future<Output = Result<T, SupervisorError>>,
    ) -> Result<T, Failure> {
        self.enter()?;
        self.wait(work).await
    }

    /// Does the rest of something that was let in, unless connections are about to end.
    pub(crate) async fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, SupervisorError>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            done = work => Ok(done?),
            () = self.ending.cancelled() => Err(SupervisorError::ShuttingDown.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_and_new_work_is_refused_when_the_server_goes_down() {
        let gate = ShutdownGate::default();
        assert_eq!(gate.run(async { Ok(1) }).await.unwrap(), 1);
        let waiting = gate.run(std::future::pending::<Result<(), SupervisorError>>());
        gate.ending.cancel();
        assert_eq!(waiting.await.unwrap_err().reason(), "SERVER_DRAINING");
        gate.soft.cancel();
        assert_eq!(gate.enter().unwrap_err().reason(), "SERVER_DRAINING");
    }
}
