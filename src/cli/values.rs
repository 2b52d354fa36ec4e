//! Values of flags, and values of the API in tables.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

use crate::adapters::system_clock::SystemClock;
use crate::domain::model::id::NodeName;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::clock::Clock;
use crate::proto;

/// Number of actors by script type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorCounts(pub Vec<(ScriptType, u32)>);

/// Most demo actors of one type; more would starve each other on one machine.
const MOST_DEMO_ACTORS: u32 = 64;

/// Parses `osis=2,python=1`; empty means none.
pub(super) fn actor_counts(raw: &str) -> Result<ActorCounts, String> {
    let pairs = raw.split(',').filter(|pair| !pair.is_empty());
    let parsed = pairs.map(|pair| {
        let (name, count) = pair.split_once('=').unwrap_or((pair, "1"));
        let count = count.parse().ok().filter(|count| *count <= MOST_DEMO_ACTORS);
        let count =
            count.ok_or_else(|| format!("{pair:?}: use TYPE=N with N from 0 to {MOST_DEMO_ACTORS}"))?;
        Ok((ScriptType::parse(name)?, count))
    });
    parsed.collect::<Result<_, String>>().map(ActorCounts)
}

/// Parses a script type.
pub(super) fn script_type(raw: &str) -> Result<proto::ScriptType, String> {
    Ok(match ScriptType::parse(raw)? {
        ScriptType::OSIS => proto::ScriptType::Osis,
        ScriptType::SAL => proto::ScriptType::Sal,
        ScriptType::V => proto::ScriptType::V,
        ScriptType::Python => proto::ScriptType::Python,
    })
}

/// Parses the name of a queue. A script type, in any case, is its default queue.
pub(super) fn queue(raw: &str) -> Result<QueueName, String> {
    ScriptType::parse(raw).map(QueueName::from).or_else(|_other| QueueName::parse(raw))
}

/// Splits a queue into the two fields of a request: the script type of a default queue, which older servers know as well,
/// or the name.
pub(super) fn queue_fields(queue: QueueName) -> (i32, String) {
    match queue.default_type().and_then(|known| script_type(known.as_str()).ok()) {
        Some(script_type) => (script_type.into(), String::new()),
        None => (0, queue.to_string()),
    }
}

/// The field of a request for a machine; empty for that of the called supervisor.
pub(super) fn node_field(node: Option<NodeName>) -> String {
    node.map(|node| node.to_string()).unwrap_or_default()
}

/// Parses `NAME=VALUE`.
pub(super) fn pair(raw: &str) -> Result<(String, String), String> {
    let (name, value) = raw.split_once('=').ok_or_else(|| format!("{raw:?}: use NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Longest time of a flag: more is no help, and some clocks cannot represent it.
const LONGEST: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);

/// Parses `30s`, `5m`, `1h 30m`.
pub(super) fn span(raw: &str) -> Result<Duration, String> {
    match humantime::parse_duration(raw) {
        Ok(span) if span > LONGEST => Err(format!("{raw:?} is too long: use at most 1000 years")),
        Ok(span) => Ok(span),
        Err(_) => Err(format!("{raw:?} is not a time: use 500ms, 30s, 5m or 2h")),
    }
}

/// Parses a point in time: `2026-01-31T12:00:00Z`, or the beginning of a day in UTC, `2026-01-31`.
pub(super) fn moment(raw: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339_weak(raw)
        .or_else(|_time| humantime::parse_rfc3339(&format!("{raw}T00:00:00Z")))
        .map_err(|_| format!("{raw:?} is not a time: use 2026-01-31T12:00:00Z or 2026-01-31"))
}

/// Parses a point in the past: as [`moment`] does, or by the time since then, `10m`.
pub(super) fn moment_ago(raw: &str) -> Result<SystemTime, String> {
    let ago = |span| SystemClock.now().checked_sub(span).ok_or_else(|| format!("{raw:?} is too long ago"));
    match span(raw) {
        Ok(span) => ago(span),
        Err(_) => moment(raw).map_err(|_| {
            format!("{raw:?} is neither a time ago nor a time: use 10m, 2h or 2026-01-31T12:00:00Z")
        }),
    }
}

/// Parses `65536`, `64K`, `512M`, `2G`.
pub(super) fn bytes(raw: &str) -> Result<i64, String> {
    let refused = || format!("{raw:?} is not a size: use 65536, 64K, 512M or 2G");
    let (digits, unit) = raw.split_at(raw.find(|c: char| !c.is_ascii_digit()).unwrap_or(raw.len()));
    let factor: i64 = match unit.trim_end_matches("iB") {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _other => return Err(refused()),
    };
    digits.parse::<i64>().ok().and_then(|count| count.checked_mul(factor)).ok_or_else(refused)
}

/// Converts a duration to that of the API.
pub(super) fn to_proto(span: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(span).ok()
}

/// Returns the name of an enum value without its prefix, in lower case: `STATE_RUNNING` is `running`.
pub(super) fn word(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix).unwrap_or(name) {
        "UNSPECIFIED" => "-".to_owned(),
        word => word.to_ascii_lowercase(),
    }
}

/// Returns the name of a script type, or the number of one that only a newer server knows.
pub(super) fn script_type_word(number: i32) -> String {
    proto::ScriptType::try_from(number)
        .map_or_else(|unknown| unknown.0.to_string(), |value| word(value.as_str_name(), "SCRIPT_TYPE_"))
}

/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// Formats a time to the second, in UTC. Outside of the years 1970 to 9999 it is `@` and the seconds since 1970.
pub(super) fn time(at: Option<Timestamp>) -> String {
    match at {
        // The formatter panics for later years.
        Some(at) if !(0..=LAST_SECOND).contains(&at.seconds) => format!("@{}", at.seconds),
        Some(at) => match SystemTime::try_from(at) {
            Ok(at) => humantime::format_rfc3339_seconds(at).to_string(),
            Err(_) => "-".to_owned(),
        },
        None => "-".to_owned(),
    }
}

/// Formats a duration to the millisecond.
pub(super) fn duration(span: Option<prost_types::Duration>) -> String {
    match span.and_then(|span| Duration::try_from(span).ok()) {
        Some(span) => {
            let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
            humantime::format_duration(Duration::from_millis(millis)).to_string()
        }
        None => "-".to_owned(),
    }
}

/// Formats the time since then with its largest unit: `12s`, `5m`, `3h`, `2d`. A time to come is `0s`.
pub(super) fn age(now: SystemTime, then: Option<Timestamp>) -> String {
    let then = then.map(|then| UNIX_EPOCH + Duration::from_secs(u64::try_from(then.seconds).unwrap_or(0)));
    then.map_or_else(|| "-".to_owned(), |then| coarse(now.duration_since(then).unwrap_or_default()))
}

/// Formats a duration in few characters: `45ms`, `1.2s`, `5m`, `3h`, `2d`.
pub(super) fn brief(span: Option<prost_types::Duration>) -> String {
    match span.and_then(|span| Duration::try_from(span).ok()) {
        Some(span) if span < Duration::from_secs(1) => format!("{}ms", span.as_millis()),
        Some(span) if span < Duration::from_secs(60) => format!("{:.1}s", span.as_secs_f64()),
        Some(span) => coarse(span),
        None => "-".to_owned(),
    }
}

/// Formats a duration with its largest unit; two days are the first that are days.
fn coarse(span: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    match span.as_secs() {
        seconds if seconds < 2 * MINUTE => format!("{seconds}s"),
        seconds if seconds < 2 * HOUR => format!("{}m", seconds / MINUTE),
        seconds if seconds < 48 * HOUR => format!("{}h", seconds / HOUR),
        seconds => format!("{}d", seconds / (24 * HOUR)),
    }
}

/// Formats a number of jobs: `1 job`, `2 jobs`.
pub(super) fn jobs(count: i64) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}

/// Returns the text, or a dash for an empty one.
pub(super) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// Returns the first line of a text, cut to the width of a table column.
pub(super) fn short(text: &str) -> String {
    const WIDTH: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(WIDTH).collect();
    if short.len() < text.trim_end().len() {
        short.push('…');
    }
    or_dash(&short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actor_counts_are_pairs_of_type_and_number() {
        let two = ActorCounts(vec![(ScriptType::OSIS, 2), (ScriptType::Python, 1)]);
        assert_eq!(actor_counts("osis=2,python"), Ok(two));
        assert_eq!(actor_counts(""), Ok(ActorCounts(vec![])));
        for bad in ["osis=x", "osis=-1", "osis=65", "perl=1"] {
            assert!(actor_counts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn any_point_in_time_can_be_shown() {
        let at = |seconds| time(Some(Timestamp { seconds, nanos: 999_999_999 }));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(LAST_SECOND), "9999-12-31T23:59:59Z");
        assert_eq!(at(LAST_SECOND + 1), "@253402300800");
        assert_eq!(at(i64::MAX), format!("@{}", i64::MAX));
        assert_eq!(at(-1), "@-1");
        assert_eq!(at(i64::MIN), format!("@{}", i64::MIN));
        assert_eq!(time(Some(Timestamp { seconds: 5, nanos: -7 })), "1970-01-01T00:00:04Z");
    }

    #[test]
    fn no_time_is_longer_than_clocks_can_represent() {
        assert_eq!(span("1h 30m"), Ok(Duration::from_secs(5400)));
        assert!(span("999y").is_ok());
        for (bad, told) in [("18446744073709551615s", "at most 1000 years"), ("5", "is not a time")] {
            assert!(span(bad).unwrap_err().contains(told), "{bad}");
        }
    }

    #[test]
    fn ages_have_one_unit() {
        let now = UNIX_EPOCH + Duration::from_secs(10_000_000);
        let ages = [0, 119, 120, 7199, 7200, 172_799, 172_800]
            .map(|seconds| age(now, Some(Timestamp { seconds: 10_000_000 - seconds, nanos: 0 })));
        assert_eq!(ages, ["0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
        assert_eq!(age(now, Some(Timestamp { seconds: i64::MAX, nanos: 0 })), "0s");
        assert_eq!(age(now, None), "-");
        let spans = [45, 1_234, 90_000].map(|millis| brief(to_proto(Duration::from_millis(millis))));
        assert_eq!(spans, ["45ms", "1.2s", "90s"]);
    }

    #[test]
    fn moments_are_times_or_times_ago() {
        let noon = UNIX_EPOCH + Duration::from_secs(1_769_860_800);
        assert_eq!(moment("2026-01-31T12:00:00Z"), Ok(noon));
        assert_eq!(moment("2026-01-31"), Ok(noon - Duration::from_secs(12 * 3600)));
        assert_eq!(moment_ago("2026-01-31T12:00:00Z"), Ok(noon));
        let ago = SystemClock.now().duration_since(moment_ago("10m").unwrap()).unwrap();
        assert!((600..660).contains(&ago.as_secs()), "{ago:?}");
        for wrong in ["", "tomorrow", "10", "2026-13-01"] {
            assert!(moment(wrong).is_err() && moment_ago(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            [bytes("0"), bytes("64K"), bytes("512M"), bytes("2GiB")],
            [Ok(0), Ok(65536), Ok(512 << 20), Ok(2 << 30)]
        );
        for bad in ["", "M", "-1", "1T", "9999999999999G", "1.5G"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn long_or_many_lines_are_cut() {
        assert_eq!(short("42\n"), "42");
        assert_eq!(short("a\nb"), "a…");
        assert_eq!(short(""), "-");
        assert_eq!(short(&"x".repeat(100)).chars().count(), 61);
    }
}

/// Machines over which a number of actors counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ScopeWord {
    /// Each machine for itself
    Node,
    /// All machines together, evenly spread
    Fleet,
}

/// Returns the scope of the API.
pub(super) fn scale_scope(word: Option<ScopeWord>) -> proto::ScaleScope {
    match word {
        Some(ScopeWord::Node) => proto::ScaleScope::Node,
        Some(ScopeWord::Fleet) => proto::ScaleScope::Fleet,
        None => proto::ScaleScope::Unspecified,
    }
}
