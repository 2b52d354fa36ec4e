//! From two readings to the usage in between.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::domain::model::usage::{TreeReading, Usage};

/// A reading and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timed {
    pub(super) at: Instant,
    pub(super) reading: TreeReading,
}

/// Returns the usage at a reading. Processor time is the difference to the reading before, if that was of the same process.
pub(super) fn usage(before: Option<&Timed>, now: &Timed, date: SystemTime) -> Usage {
    let TreeReading { memory_bytes, open_files, threads, processes, .. } = now.reading;
    let before = before.filter(|before| before.reading.started == now.reading.started);
    let cpu_millicores = before.and_then(|before| {
        let span = now.at.saturating_duration_since(before.at).as_micros();
        // A child that nobody has waited for takes its time with it.
        let used = now.reading.cpu.saturating_sub(before.reading.cpu).as_micros();
        u32::try_from((used * 1000).checked_div(span)?).ok()
    });
    Usage { at: date, cpu_millicores, memory_bytes, open_files, threads, processes }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn processor_time_is_a_rate_within_one_process() {
        let begun = Instant::now();
        let timed = |seconds: u64, started: u64, cpu_ms: u64| Timed {
            at: begun + Duration::from_secs(seconds),
            reading: TreeReading {
                started,
                cpu: Duration::from_millis(cpu_ms),
                memory_bytes: 4096,
                open_files: None,
                threads: 3,
                processes: 2,
            },
        };
        let rows = [
            (None, timed(5, 1, 900), None),
            (Some(timed(0, 1, 100)), timed(5, 1, 100), Some(0)),
            (Some(timed(0, 1, 100)), timed(5, 1, 2600), Some(500)),
            (Some(timed(0, 1, 0)), timed(5, 1, 20_000), Some(4000)),
            (Some(timed(0, 1, 900)), timed(5, 1, 400), Some(0)),
            (Some(timed(0, 7, 100)), timed(5, 1, 2600), None),
            (Some(timed(5, 1, 100)), timed(5, 1, 2600), None),
        ];
        for (before, now, expected) in rows {
            let found = usage(before.as_ref(), &now, SystemTime::UNIX_EPOCH);
            assert_eq!(found.cpu_millicores, expected, "{before:?} {now:?}");
            assert_eq!((found.memory_bytes, found.threads, found.processes), (4096, 3, 2));
        }
    }
}
