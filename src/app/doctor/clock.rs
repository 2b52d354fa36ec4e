//! Comparison of the clock of a Redis server with that of this machine.

use std::time::{Duration, SystemTime};

use redis::RedisError;
use redis::aio::MultiplexedConnection;

use super::Finding;
use crate::adapters::system_clock::SystemClock;
use crate::domain::model::clock_offset::{ClockOffset, ClockRelation};
use crate::ports::clock::Clock;

/// Judges how far the two clocks are from each other; nothing where the server does not say.
pub(super) async fn check(connection: &mut MultiplexedConnection) -> Option<Finding> {
    let asked = SystemClock.now();
    let time: Result<(u64, u64), RedisError> = redis::cmd("TIME").query_async(connection).await;
    let (seconds, micros) = time.ok()?;
    let store = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros);
    Some(judge(ClockOffset::between(asked, store, SystemClock.now())))
}

fn judge(offset: ClockOffset) -> Finding {
    let check = "redis clock";
    let way = if offset.millis >= 0 { "ahead of" } else { "behind" };
    let seconds = offset.seconds().abs();
    let found = format!("{seconds:.3} s {way} this machine's, to within {:?}", offset.error);
    match offset.relation(ClockRelation::Agrees) {
        ClockRelation::Agrees => Finding::ok(check, found),
        ClockRelation::Ahead | ClockRelation::Behind => Finding::warn(
            check,
            format!("{found}: schedules, delays and times to live are off by as much"),
            "synchronize the clocks of all machines (NTP)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::Verdict;

    #[test]
    fn clocks_that_disagree_are_told_with_their_difference() {
        let judged = |millis| judge(ClockOffset { millis, error: Duration::from_millis(1) });
        assert_eq!(judged(20).verdict, Verdict::Ok);
        let behind = judged(-2_500);
        assert_eq!(behind.verdict, Verdict::Warn);
        assert!(behind.found.starts_with("2.500 s behind this machine's"), "{}", behind.found);
    }
}
