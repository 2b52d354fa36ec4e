//! The samples of one actor: each of the last hour, and points of five minutes to be stored for a day.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::model::usage::Usage;

/// Samples that are kept: an hour of one each five seconds, 24 bytes each.
pub(super) const SAMPLES: usize = 720;
/// Time of a point.
pub const POINT: Duration = Duration::from_secs(300);
/// Mark of an absent number.
const ABSENT: u32 = u32::MAX;

/// The history of one actor.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    samples: VecDeque<Packed>,
    open: Option<Point>,
}

/// A sample in little space. Numbers that do not fit are the largest ones.
#[derive(Debug, Clone, Copy)]
struct Packed {
    at_ms: u64,
    memory_kib: u32,
    cpu_millicores: u32,
    open_files: u32,
    threads: u16,
    processes: u16,
}

impl History {
    /// Adds a sample. Returns the point that has ended with it, if any.
    pub(super) fn add(&mut self, usage: &Usage) -> Option<Usage> {
        if self.samples.len() >= SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(pack(usage));
        let number = millis(usage.at) / span_millis(POINT);
        match &mut self.open {
            Some(point) if point.number == number => {
                point.add(usage);
                None
            }
            open => open.replace(Point::of(number, usage)).map(|point| point.usage()),
        }
    }

    /// Returns the latest sample.
    pub(super) fn latest(&self) -> Option<Usage> {
        self.samples.back().map(unpack)
    }

    /// Returns the samples after a time, the oldest first.
    pub(super) fn since(&self, time: SystemTime) -> Vec<Usage> {
        self.samples.iter().map(unpack).filter(|usage| usage.at > time).collect()
    }
}

/// The samples of five minutes in one: the mean of processor time, and the largest of everything else.
#[derive(Debug, Clone, Copy)]
struct Point {
    /// Number of the five minutes since the epoch.
    number: u64,
    largest: Usage,
    cpu_sum: u64,
    cpu_count: u64,
}

impl Point {
    fn of(number: u64, first: &Usage) -> Self {
        let mut point = Self { number, largest: *first, cpu_sum: 0, cpu_count: 0 };
        point.add(first);
        point
    }

    fn add(&mut self, usage: &Usage) {
        let largest = &mut self.largest;
        largest.memory_bytes = largest.memory_bytes.max(usage.memory_bytes);
        largest.open_files = largest.open_files.max(usage.open_files);
        largest.threads = largest.threads.max(usage.threads);
        largest.processes = largest.processes.max(usage.processes);
        if let Some(cpu) = usage.cpu_millicores {
            self.cpu_sum += u64::from(cpu);
            self.cpu_count += 1;
        }
    }

    fn usage(&self) -> Usage {
        let mean = self.cpu_sum.checked_div(self.cpu_count);
        Usage {
            at: UNIX_EPOCH + POINT * u32::try_from(self.number).unwrap_or(u32::MAX),
            cpu_millicores: mean.and_then(|mean| u32::try_from(mean).ok()),
            ..self.largest
        }
    }
}

fn pack(usage: &Usage) -> Packed {
    let small = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    Packed {
        at_ms: millis(usage.at),
        memory_kib: u32::try_from(usage.memory_bytes / 1024).unwrap_or(u32::MAX),
        cpu_millicores: usage.cpu_millicores.unwrap_or(ABSENT),
        open_files: usage.open_files.unwrap_or(ABSENT),
        threads: small(usage.threads),
        processes: small(usage.processes),
    }
}

fn unpack(packed: &Packed) -> Usage {
    let present = |number: u32| (number != ABSENT).then_some(number);
    Usage {
        at: UNIX_EPOCH + Duration::from_millis(packed.at_ms),
        cpu_millicores: present(packed.cpu_millicores),
        memory_bytes: u64::from(packed.memory_kib) * 1024,
        open_files: present(packed.open_files),
        threads: packed.threads.into(),
        processes: packed.processes.into(),
    }
}

fn millis(time: SystemTime) -> u64 {
    span_millis(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn span_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usage(second: u64, cpu: Option<u32>, kib: u64) -> Usage {
        Usage {
            at: UNIX_EPOCH + Duration::from_secs(second),
            cpu_millicores: cpu,
            memory_bytes: kib * 1024,
            open_files: Some(7),
            threads: 2,
            processes: 1,
        }
    }

    #[test]
    fn five_minutes_become_one_point_when_they_are_over() {
        let mut history = History::default();
        assert_eq!(history.add(&usage(601, None, 10)), None);
        assert_eq!(history.add(&usage(606, Some(100), 30)), None);
        assert_eq!(history.add(&usage(899, Some(300), 20)), None);
        let point = history.add(&usage(900, Some(9), 1)).unwrap();
        assert_eq!(point, usage(600, Some(200), 30));
        assert_eq!(history.since(UNIX_EPOCH + Duration::from_secs(606)).len(), 2);
        assert_eq!(history.latest(), Some(usage(900, Some(9), 1)));
    }

    proptest! {
        #[test]
        fn the_last_hour_is_kept_as_it_was_and_no_more(
            samples in proptest::collection::vec((any::<Option<u16>>(), 0..u64::from(u32::MAX)), 1..2000),
        ) {
            let mut history = History::default();
            let all: Vec<Usage> = samples
                .iter()
                .enumerate()
                .map(|(at, (cpu, kib))| usage(at as u64 * 5, cpu.map(u32::from), *kib))
                .collect();
            let points = all.iter().filter_map(|usage| history.add(usage)).count();
            prop_assert_eq!(points, (all.len() - 1) / 60);
            let kept = history.since(UNIX_EPOCH - Duration::from_secs(1));
            prop_assert_eq!(&kept[..], &all[all.len().saturating_sub(SAMPLES)..]);
        }
    }
}
