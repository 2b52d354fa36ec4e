//! The one reader: takes from the log what somebody wants, and puts it into the ring.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::Shared;
use crate::domain::model::event::cursor::{Cursor, EventStream};
use crate::ports::event_log::{Follow, LogError, Read};

/// Between two tries to read while the log is away.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Pause after a read for each watcher, and the longest. Waking a watcher costs more than handing it one more event, so the more
/// there are, the more events they get at a time.
const PAUSE_EACH: Duration = Duration::from_micros(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// The pause after a read.
fn pause(watches: usize) -> Duration {
    let watches = u32::try_from(watches).unwrap_or(u32::MAX);
    let pause = PAUSE_EACH.saturating_mul(watches).min(LONGEST_PAUSE);
    // A timer is no more exact than that, and few watchers are better told at once.
    if pause < Duration::from_millis(1) { Duration::ZERO } else { pause }
}

/// Reads for ever.
pub(super) async fn read(shared: &Shared) {
    loop {
        until_wanted(shared).await;
        if let Err(error) = read_while_wanted(shared).await {
            tracing::debug!(%error, "event reader: it starts again");
            sleep(RETRY_PAUSE).await;
        }
    }
}

/// Waits until somebody watches; nothing is held meanwhile.
async fn until_wanted(shared: &Shared) {
    let mut wanted = shared.wanted.subscribe();
    loop {
        wanted.borrow_and_update();
        {
            let mut state = shared.lock();
            if !state.interest.is_empty() {
                return;
            }
            state.ring.keep_only(&BTreeSet::new());
        }
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

async fn read_while_wanted(shared: &Shared) -> Result<(), LogError> {
    let mut wanted = shared.wanted.subscribe();
    let mut follower = shared.log.follow().await?;
    loop {
        wanted.borrow_and_update();
        let Some(cursor) = places(shared).await? else { return Ok(()) };
        match next(shared, follower.as_mut(), &cursor, &mut wanted).await? {
            Some(Read::Entries { entries, upto }) => {
                let watches = {
                    let mut state = shared.lock();
                    state.ring.extend(&cursor, entries, &upto);
                    state.watches
                };
                shared.notify_watchers();
                sleep(pause(watches)).await;
            }
            Some(Read::Expired { oldest: _ }) => {
                tracing::warn!(
                    "event reader: watchers read the log themselves (events were trimmed before they were read)"
                );
                begin(shared, &cursor.iter().map(|(stream, _)| stream).collect()).await?;
            }
            // What it waits for on its connection cannot be added to.
            None => follower = shared.log.follow().await?,
        }
    }
}

/// Returns the place from which to read: in the streams that are wanted, and in new ones from their end. None when
/// nobody watches.
async fn places(shared: &Shared) -> Result<Option<Cursor>, LogError> {
    let fresh: BTreeSet<EventStream> = {
        let mut state = shared.lock();
        let wanted = state.wanted();
        if wanted.is_empty() {
            return Ok(None);
        }
        state.ring.keep_only(&wanted);
        let reached = state.ring.reached();
        wanted.into_iter().filter(|stream| reached.get(*stream).is_none()).collect()
    };
    if !fresh.is_empty() {
        begin(shared, &fresh).await?;
    }
    Ok(Some(shared.lock().ring.reached()))
}

/// Begins streams anew, at their end.
async fn begin(shared: &Shared, streams: &BTreeSet<EventStream>) -> Result<(), LogError> {
    let newest = shared.log.extent(streams).await?.newest;
    {
        let mut state = shared.lock();
        for (stream, position) in newest.iter() {
            state.ring.begin(stream, position);
        }
    }
    shared.notify_watchers();
    Ok(())
}

/// The next read; None when a stream is wanted meanwhile that this read is not about.
async fn next(
    shared: &Shared,
    follower: &mut dyn Follow,
    cursor: &Cursor,
    wanted: &mut watch::Receiver<u64>,
) -> Result<Option<Read>, LogError> {
    let reading = follower.next(cursor, shared.read);
    tokio::pin!(reading);
    loop {
        tokio::select! {
            read = &mut reading => return read.map(Some),
            _changed = wanted.changed() => {
                if shared.lock().interest.keys().any(|stream| cursor.get(*stream).is_none()) {
                    return Ok(None);
                }
            }
        }
    }
}

impl Shared {
    fn notify_watchers(&self) {
        self.changes.send_modify(|times| *times += 1);
    }
}
