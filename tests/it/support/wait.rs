//! Waits for facts, never for time.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Asks `probe` until it answers with something, and panics with `what` if that takes longer than `limit`.
pub(crate) async fn eventually<T, F>(what: &str, limit: Duration, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        if let Some(fact) = probe().await {
            return fact;
        }
        assert!(Instant::now() < deadline, "not seen within {limit:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
