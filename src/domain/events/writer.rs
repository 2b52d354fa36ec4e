//! The one task that writes events to the log.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::domain::model::backoff::Backoff;
use crate::domain::model::event::Event;
use crate::error::chain;
use crate::ports::event_log::EventLog;
use crate::ports::event_meter::EventMeter;
use crate::ports::store_fault::StoreFault;

/// Events in one write.
const BATCH: usize = 500;
/// While the log is away, events wait: these here, and those that [`Events`](crate::domain::events::Events) holds.
const RETRY: Backoff = Backoff::of_millis(100, 2_000);
/// Time for the last events of all.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Writes events until `token` is cancelled, and then those that are there.
pub async fn write_events(
    log: Arc<dyn EventLog>,
    mut events: mpsc::Receiver<Event>,
    meter: Arc<dyn EventMeter>,
    token: CancellationToken,
) {
    let mut batch = Vec::new();
    let writing = async {
        loop {
            if batch.is_empty() && events.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            write(log.as_ref(), meter.as_ref(), &mut batch).await;
        }
    };
    let _ended: Option<()> = token.run_until_cancelled(writing).await;
    events.close();
    let last = async {
        loop {
            if !batch.is_empty() && log.append(&batch).await.is_err() {
                return;
            }
            batch.clear();
            if events.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
        }
    };
    if timeout(LAST_WORDS, last).await.is_err() || !batch.is_empty() {
        meter.lost(batch.len() + events.len());
        tracing::warn!("event log: the last events are lost (it does not answer)");
    }
}

/// Writes a batch, however long it takes; one that the log will never take is dropped.
async fn write(log: &dyn EventLog, meter: &dyn EventMeter, batch: &mut Vec<Event>) {
    let mut failures = 0_u32;
    loop {
        match log.append(batch).await {
            Ok(()) => break,
            Err(error) => match error.fault() {
                StoreFault::Rejected { .. } | StoreFault::Corrupt { .. } => {
                    meter.lost(batch.len());
                    tracing::warn!(error = %chain(&error), events = batch.len(), "event log: events are lost (they are rejected)");
                    break;
                }
                StoreFault::Unavailable(_) | StoreFault::TimedOut { .. } | StoreFault::Refused { .. } => {
                    failures = failures.saturating_add(1);
                    if failures == 1 {
                        tracing::debug!(error = %chain(&error), "event log: events wait (it does not answer)");
                    }
                    sleep(RETRY.delay(failures, fastrand::f64())).await;
                }
            },
        }
    }
    batch.clear();
}
