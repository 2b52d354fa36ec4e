//! Usage of actors for people.

use crate::cli::values::duration;
use crate::proto::{ActorUsage, JobUsage};

const NONE: &str = "-";

/// Renders processor time in percent of a core: `12.5%`.
pub(super) fn cpu(usage: Option<&ActorUsage>) -> String {
    let cpu = usage.and_then(|usage| usage.cpu_millicores);
    cpu.map_or_else(|| NONE.to_owned(), |cpu| format!("{}.{}%", cpu / 10, cpu % 10))
}

/// Renders memory: `12.5 MiB`.
pub(super) fn memory(usage: Option<&ActorUsage>) -> String {
    usage.map_or_else(|| NONE.to_owned(), |usage| bytes(usage.memory_bytes))
}

/// Renders the number of open files.
pub(super) fn files(usage: Option<&ActorUsage>) -> String {
    let files = usage.and_then(|usage| usage.open_files);
    files.map_or_else(|| NONE.to_owned(), |files| files.to_string())
}

/// Renders the number of threads.
pub(super) fn threads(usage: Option<&ActorUsage>) -> String {
    usage.map_or_else(|| NONE.to_owned(), |usage| usage.threads.to_string())
}

/// Renders all of it on one line.
pub(super) fn sentence(usage: Option<&ActorUsage>) -> String {
    let Some(of) = usage else { return NONE.to_owned() };
    let processes =
        if of.processes == 1 { "1 process".to_owned() } else { format!("{} processes", of.processes) };
    format!(
        "cpu {}, memory {}, {} open files, {} threads in {processes}",
        cpu(usage),
        memory(usage),
        files(usage),
        of.threads
    )
}

/// Renders what an attempt of a job has used: `310ms of CPU, at most 52.1 MiB of memory`.
pub(super) fn usage_of_job(usage: &JobUsage) -> String {
    let cpu = format!("{} of CPU", duration(usage.cpu_time));
    match usage.peak_memory_bytes {
        Some(peak) => format!("{cpu}, at most {} of memory", bytes(peak)),
        None => cpu,
    }
}

/// Renders a number of bytes with the unit that leaves one to three digits before the point.
pub(super) fn bytes(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    // Tenths of the unit, rounded down.
    let mut tenths = bytes.max(0).saturating_mul(10) / 1024;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while tenths >= 10_000 {
        let Some(larger) = units.next() else { break };
        (tenths, unit) = (tenths / 1024, Some(larger));
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, unit.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_that_people_read() {
        let rows = [
            (0, "0.0 KiB"),
            (1023 * 1000, "999.0 KiB"),
            (1 << 20, "1.0 MiB"),
            (12_897_485, "12.3 MiB"),
            (3 << 40, "3.0 TiB"),
            (-1, "0.0 KiB"),
        ];
        for (number, expected) in rows {
            assert_eq!(bytes(number), expected, "{number}");
        }
        let usage = ActorUsage {
            cpu_millicores: Some(125),
            memory_bytes: 1 << 20,
            open_files: None,
            threads: 5,
            processes: 1,
            time: None,
        };
        assert_eq!(sentence(Some(&usage)), "cpu 12.5%, memory 1.0 MiB, - open files, 5 threads in 1 process");
        assert_eq!(sentence(None), "-");
    }

    #[test]
    fn a_job_says_what_it_has_used_as_far_as_that_is_known() {
        let cpu_time = Some(prost_types::Duration { seconds: 0, nanos: 310_400_000 });
        let usage = JobUsage { cpu_time, peak_memory_bytes: None };
        assert_eq!(usage_of_job(&usage), "310ms of CPU");
        let usage = JobUsage { peak_memory_bytes: Some(50 << 20), ..usage };
        assert_eq!(usage_of_job(&usage), "310ms of CPU, at most 50.0 MiB of memory");
    }
}
