//! Calls that wait for a Redis that is away for a moment: a failover must not end a long walk.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::ports::store_fault::{Refusal, StoreFault};

/// Time for which a Redis that was there may be away.
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// Makes a call again, which does no harm, until it is answered or Redis has been away for too long.
pub(super) async fn through_outages<T>(
    mut call: impl AsyncFnMut() -> Result<T, StoreFault>,
) -> Result<T, StoreFault> {
    let begun = Instant::now();
    loop {
        match call().await {
            Err(fault) if passes(&fault) && begun.elapsed() < LIMIT => sleep(PAUSE).await,
            answer => return answer,
        }
    }
}

/// True for a fault that may be over in a moment.
fn passes(fault: &StoreFault) -> bool {
    match fault {
        StoreFault::Unavailable(_) | StoreFault::TimedOut { .. } => true,
        StoreFault::Refused { refusal, .. } => match refusal {
            Refusal::ReadOnly | Refusal::Busy | Refusal::NotDurable => true,
            Refusal::Full | Refusal::AccessDenied => false,
        },
        StoreFault::Rejected { .. } | StoreFault::Corrupt { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> StoreFault {
        StoreFault::Unavailable("gone".into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_redis_that_comes_back_is_waited_for_and_one_that_refuses_is_not() {
        let mut asked = 0;
        let answer = through_outages(async || {
            asked += 1;
            if asked < 20 { Err(away()) } else { Ok(asked) }
        });
        assert_eq!(answer.await.unwrap(), 20);
        let begun = Instant::now();
        assert!(through_outages(async || Err::<(), _>(away())).await.is_err());
        assert!(begun.elapsed() >= LIMIT && begun.elapsed() < 2 * LIMIT);
        let mut asked = 0;
        let full = through_outages(async || {
            asked += 1;
            Err::<(), _>(StoreFault::Refused { refusal: Refusal::Full, reason: "OOM".to_owned() })
        });
        assert!(full.await.is_err());
        assert_eq!(asked, 1);
    }
}
