//! Single values. An error is a fragment that follows the name of the field.

use std::time::{Duration, SystemTime};

use crate::domain::model::backoff::Backoff;
use crate::domain::model::scaling::ScaleScope;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::text::has_hidden;
use crate::domain::model::violation::Violations;
use crate::proto as pb;

/// Default number of items on a page.
const DEFAULT_PAGE: usize = 100;
/// Most items on a page.
pub(crate) const MAX_PAGE: usize = 1000;
/// Most items of a list of selected items.
const MAX_LIST: usize = 1000;
/// Longest reason of a request, in bytes.
const MAX_REASON_BYTES: usize = 1024;
/// Longest duration in seconds: ten thousand years, the limit of `google.protobuf.Duration`.
const LONGEST_SECONDS: i64 = 315_576_000_000;
/// Last second of the year 9999, the limit of `google.protobuf.Timestamp`.
const LAST_SECOND: i64 = 253_402_300_799;

/// A request for a page of a filtered list.
#[derive(Debug)]
pub(crate) struct ListRequest<F> {
    /// The filter.
    pub(crate) filter: F,
    /// Most items.
    pub(crate) limit: usize,
}

/// Parses a field that may be unset; records a violation if it is invalid.
pub(crate) fn optional<T, U>(
    violations: &mut Violations,
    field: &str,
    raw: Option<T>,
    parse: impl FnOnce(T) -> Result<U, String>,
) -> Option<U> {
    violations.keep(field, parse(raw?))
}

/// Parses the items of a list and records a violation for each invalid one. A list that is too long has one
/// violation.
pub(crate) fn each<T, U>(
    violations: &mut Violations,
    field: &str,
    raw: Vec<T>,
    parse: impl Fn(T) -> Result<U, String>,
) -> Vec<U> {
    if raw.len() > MAX_LIST {
        violations.add(field, format!("has {} items: use at most {MAX_LIST}", raw.len()));
        return Vec::new();
    }
    let indexed = raw.into_iter().enumerate();
    indexed.filter_map(|(index, item)| violations.keep(&format!("{field}[{index}]"), parse(item))).collect()
}

/// Returns None for an empty text, which means an unset field.
pub(crate) fn given(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}

/// Parses a duration that is not negative.
pub(crate) fn duration(raw: prost_types::Duration) -> Result<Duration, String> {
    let prost_types::Duration { seconds, nanos } = raw;
    if seconds < 0 || nanos < 0 {
        return Err("is negative".to_owned());
    }
    let (Ok(whole), Ok(part)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
        return Err("is not a duration".to_owned());
    };
    if seconds > LONGEST_SECONDS || part >= 1_000_000_000 {
        return Err("is not a duration: use at most 10000 years, and nanos from 0 to 999999999".to_owned());
    }
    Ok(Duration::new(whole, part))
}

/// Parses a time since 1970.
pub(crate) fn timestamp(raw: prost_types::Timestamp) -> Result<SystemTime, String> {
    let prost_types::Timestamp { seconds, nanos } = raw;
    let refused = || "is not a time between the years 1970 and 9999".to_owned();
    let (Ok(whole), Ok(part)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
        return Err(refused());
    };
    if seconds > LAST_SECOND || part >= 1_000_000_000 {
        return Err(refused());
    }
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(whole, part)).ok_or_else(refused)
}

/// Parses the two delays of a backoff. One that is unset makes room for the one that is set.
pub(crate) fn backoff(
    violations: &mut Violations,
    usual: Backoff,
    initial: Option<prost_types::Duration>,
    max: Option<prost_types::Duration>,
) -> Backoff {
    let initial = optional(violations, "initial_backoff", initial, duration);
    let max = optional(violations, "max_backoff", max, duration);
    let checked = usual.with(initial, max).map_err(|invalid| invalid.to_string());
    violations.keep("initial_backoff", checked).unwrap_or(usual)
}

/// Parses a count that is not negative.
pub(crate) fn count(raw: i32) -> Result<u32, String> {
    u32::try_from(raw).map_err(|_| format!("is {raw}: use 0 or more"))
}

/// Parses the number of items on a page.
pub(crate) fn page_size(raw: i32) -> Result<usize, String> {
    match usize::try_from(raw) {
        Ok(0) => Ok(DEFAULT_PAGE),
        Ok(size) if size <= MAX_PAGE => Ok(size),
        Ok(_) | Err(_) => Err(format!("is {raw}: use 1 to {MAX_PAGE}, or 0 for {DEFAULT_PAGE}")),
    }
}

/// Parses a script type.
pub(crate) fn script_type(raw: i32) -> Result<ScriptType, String> {
    match pb::ScriptType::try_from(raw) {
        Ok(pb::ScriptType::Osis) => Ok(ScriptType::OSIS),
        Ok(pb::ScriptType::Sal) => Ok(ScriptType::SAL),
        Ok(pb::ScriptType::V) => Ok(ScriptType::V),
        Ok(pb::ScriptType::Python) => Ok(ScriptType::Python),
        Ok(pb::ScriptType::Unspecified) => Err(format!("is not set: use {SCRIPT_TYPES}")),
        Err(_) => Err(unknown(raw, SCRIPT_TYPES)),
    }
}

const SCRIPT_TYPES: &str = "SCRIPT_TYPE_OSIS, SCRIPT_TYPE_SAL, SCRIPT_TYPE_V or SCRIPT_TYPE_PYTHON";

/// Records a violation of a reason that is too long or has invisible characters.
pub(crate) fn check_reason(reason: &str, violations: &mut Violations) {
    if reason.len() > MAX_REASON_BYTES {
        violations.add("reason", format!("has {} bytes, more than {MAX_REASON_BYTES}", reason.len()));
    } else if has_hidden(reason) {
        violations.add("reason", "has a control character, or another one that does not show");
    }
}

/// Describes an enum value that this server does not know.
pub(crate) fn unknown(raw: i32, known: &str) -> String {
    format!("is {raw}, which this server does not know: use {known}")
}

/// Parses a scope; None if it is left open.
pub(super) fn scale_scope(raw: i32) -> Result<Option<ScaleScope>, String> {
    match pb::ScaleScope::try_from(raw) {
        Ok(pb::ScaleScope::Unspecified) => Ok(None),
        Ok(pb::ScaleScope::Node) => Ok(Some(ScaleScope::Node)),
        Ok(pb::ScaleScope::Fleet) => Ok(Some(ScaleScope::Fleet)),
        Err(_) => Err(unknown(raw, "SCALE_SCOPE_NODE or SCALE_SCOPE_FLEET")),
    }
}
