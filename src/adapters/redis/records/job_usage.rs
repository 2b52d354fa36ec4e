//! Resources that an attempt has used, as text: microseconds of processor time, and perhaps a space and KiB of memory.

use std::time::Duration;

use crate::domain::model::job::JobUsage;

/// Bytes of the unit of memory.
const KIB: u64 = 1024;

/// Encodes what an attempt has used; empty where that is not known.
pub(in super::super) fn encode_job_usage(usage: Option<&JobUsage>) -> String {
    let Some(JobUsage { cpu, peak_memory }) = usage else { return String::new() };
    match peak_memory {
        Some(bytes) => format!("{} {}", cpu.as_micros(), bytes / KIB),
        None => cpu.as_micros().to_string(),
    }
}

/// Decodes what an attempt has used. None for a text that is none: an actor of another make must not make its job unreadable.
pub(in super::super) fn decode_job_usage(text: &str) -> Option<JobUsage> {
    let (cpu, memory) = text.split_once(' ').map_or((text, None), |(cpu, memory)| (cpu, Some(memory)));
    let cpu = Duration::from_micros(cpu.parse().ok().filter(|micros| i64::try_from(*micros).is_ok())?);
    let peak_memory = match memory {
        Some(memory) => {
            Some(memory.parse::<u64>().ok()?.checked_mul(KIB)?).filter(|bytes| i64::try_from(*bytes).is_ok())
        }
        None => None,
    };
    Some(JobUsage { cpu, peak_memory })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn usage_reads_as_it_was_written(micros in 0u64..=1 << 50, kib in proptest::option::of(0u64..=1 << 40)) {
            let usage = JobUsage { cpu: Duration::from_micros(micros), peak_memory: kib.map(|kib| kib * KIB) };
            proptest::prop_assert_eq!(decode_job_usage(&encode_job_usage(Some(&usage))), Some(usage));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9 .a-]{0,40}") {
            let bounded = |usage: JobUsage| usage.cpu <= Duration::from_micros(i64::MAX.unsigned_abs());
            proptest::prop_assert!(decode_job_usage(&text).is_none_or(bounded));
        }
    }

    #[test]
    fn what_is_no_usage_is_unknown() {
        for text in
            ["", " ", "x", "1 x", "-1", "1 ", "1  2", "1 99999999999999999999", "99999999999999999999 1"]
        {
            assert_eq!(decode_job_usage(text), None, "{text:?}");
        }
        assert_eq!(encode_job_usage(None), "");
    }
}
