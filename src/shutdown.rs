//! The end of the service: softly at the first signal, at once at the second.
//!
//! ```text
//!  first signal ─► soft: health NOT_SERVING ─► drain_delay ─► waits and watches end ─► connections close ─► exit 0
//!  second signal, or shutdown_timeout ─► hard: everything is dropped where it stands
//! ```
//! Actors under Zinit are not touched by any of it: they belong to Zinit, and their jobs to Redis.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two tokens of an orderly end. A cheap clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Nothing asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the next harder end: soft first, hard after that.
    pub fn escalate(&self) {
        if self.soft.is_cancelled() {
            self.hard.cancel();
        } else {
            self.soft.cancel();
        }
    }

    /// Asks for an end at once.
    pub fn force(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Cancelled when new work is to be refused and what runs is to be finished.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when nothing is to be waited for any more.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }
}

/// SIGTERM and SIGINT of this process, caught from the moment that it is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts to catch.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Turns each signal into a harder end; returns after the second.
    pub async fn drive(mut self, shutdown: &Shutdown) {
        for told in ["shutting down; a second signal ends it at once", "ending at once"] {
            let name = self.next().await;
            tracing::info!(signal = name, "{name}: {told}");
            shutdown.escalate();
        }
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
