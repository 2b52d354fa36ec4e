//! Refuses new work during a shutdown, and ends waits before connections end.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use crate::error::SupervisorError;
use crate::grpc::status::Failure;

/// The two stages of a shutdown, as calls see them. Clones are cheap and share the stages.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShutdownGate {
    /// Cancelled by the first signal: new work is refused.
    pub(crate) soft: CancellationToken,
    /// Cancelled shortly before connections end: waits and watches end.
    pub(crate) ending: CancellationToken,
}

impl ShutdownGate {
    /// Admits a call that changes something or waits.
    ///
    /// # Errors
    /// SERVER_DRAINING after the first signal.
    pub(crate) fn enter(&self) -> Result<(), Failure> {
        if self.soft.is_cancelled() { Err(SupervisorError::ShuttingDown.into()) } else { Ok(()) }
    }

    /// Admits work and waits for its end. Work that has begun continues when the wait is cut short.
    ///
    /// # Errors
    /// SERVER_DRAINING during a shutdown; those of the work.
    pub(crate) async fn run<T>(
        &self,
        work: impl Future<Output = Result<T, SupervisorError>>,
    ) -> Result<T, Failure> {
        self.enter()?;
        self.wait(work).await
    }

    /// Waits for work that was admitted before.
    ///
    /// # Errors
    /// SERVER_DRAINING when connections are about to end; those of the work.
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
