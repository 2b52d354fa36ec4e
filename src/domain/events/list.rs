//! Past events, newest first, page by page.

use std::time::Duration;

use crate::domain::model::event::cursor::{Cursor, Position};
use crate::domain::model::event::filter::EventFilter;
use crate::error::SupervisorError;
use crate::ports::event_log::{Earlier, EventLog, Logged};

/// Entries of each stream in one read.
const READ: usize = 500;
/// Entries that one page looks at. A filter that lets little through gives short pages, not slow ones.
const MOST_LOOKED_AT: usize = 20_000;
/// An event may be written this much later than it happened: the log was away, or clocks differ.
const LATE: Duration = Duration::from_secs(60);

/// Shows events that came before `from`, or the newest ones, the newest first, until `show` answers that it is enough.
/// Returns the beginning of the next page; None at the end.
///
/// # Errors
/// `QueueUnavailable`.
pub async fn list(
    log: &dyn EventLog,
    filter: &EventFilter,
    from: Option<Cursor>,
    mut show: impl FnMut(&Logged) -> bool + Send,
) -> Result<Option<Cursor>, SupervisorError> {
    let newest = filter.until.map_or(Position::END, |until| Position::at(until + LATE));
    let mut at = from.unwrap_or_else(|| Cursor::all_at(&filter.streams(), newest));
    let mut looked_at = 0;
    loop {
        let Earlier { mut entries, more } = log.before(&at, READ).await?;
        looked_at += entries.len().max(READ);
        // Below the last entry of a stream that has more, other streams are ahead of it.
        let horizon = more.iter().map(|(_stream, last)| last).max();
        entries.sort_by_key(|logged| std::cmp::Reverse((logged.position, logged.stream)));
        for logged in entries {
            if horizon.is_some_and(|horizon| logged.position < horizon) {
                break;
            }
            let too_old = |since| logged.position < Position::at(since);
            if filter.since.is_some_and(|since| too_old(since - LATE)) {
                return Ok(None);
            }
            at.set(logged.stream, logged.position);
            if filter.lets_through(&logged.event) && show(&logged) {
                return Ok(Some(at));
            }
        }
        if horizon.is_none() {
            return Ok(None);
        }
        // Also when nothing of it could be read: the next read begins before it.
        for (stream, last) in more.iter().filter(|(_stream, last)| Some(*last) == horizon) {
            at.set(stream, last);
        }
        if looked_at >= MOST_LOOKED_AT {
            return Ok(Some(at));
        }
    }
}
