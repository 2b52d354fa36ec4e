//! Quotas as arguments and as answers of functions.

use redis::ParsingError;

use crate::adapters::redis::reply::Parts;
use crate::domain::model::job::QuotaReached;

/// A limit as an argument of a function; nothing for none.
pub(super) fn limit_text(limit: Option<u32>) -> String {
    limit.map_or_else(String::new, |limit| limit.to_string())
}

/// Reads the quota that is reached from the parts of an answer behind its word.
pub(super) fn quota_reached(parts: &mut Parts) -> Result<QuotaReached, ParsingError> {
    let word: String = parts.next()?;
    Ok(QuotaReached { is_running: word == "running", used: parts.next()?, limit: parts.next()? })
}
