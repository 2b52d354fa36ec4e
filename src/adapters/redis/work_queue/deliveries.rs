//! Entries that an actor gets from its streams.

use std::time::Duration;

use crate::adapters::redis::keys::{Lane, Place};
use crate::adapters::redis::records::Fields;
use crate::adapters::redis::reply::{self, Entry, Streams};
use crate::domain::model::id::JobId;
use crate::ports::store_fault::StoreFault;
use crate::ports::work_queue::{Lease, Work};

/// The entries of one read.
#[derive(Default)]
pub(super) struct Delivered {
    /// Jobs, in the order in which they are run.
    pub(super) jobs: Vec<(Place, Fields)>,
    pub(super) messages: Vec<Message>,
    pub(super) malformed: Vec<Malformed>,
}

/// An entry that stands for no runnable job, and why.
pub(super) struct Malformed {
    pub(super) place: Place,
    pub(super) why: String,
}

impl Malformed {
    pub(super) fn new(place: Place, error: &StoreFault) -> Self {
        let why = match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        Self { place, why }
    }
}

impl Delivered {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.messages.is_empty() && self.malformed.is_empty()
    }
}

/// An entry of the control stream.
pub(super) struct Message {
    pub(super) entry: String,
    fields: Option<Fields>,
}

impl Message {
    fn word(&self) -> &str {
        self.fields.as_ref().and_then(|fields| fields.get("x")).unwrap_or_default()
    }

    /// True for a message that only ends a blocking read.
    pub(super) fn is_wake(&self) -> bool {
        self.word() == "wake"
    }

    /// The number of a pause; None for another message.
    pub(super) fn pause(&self) -> Option<u64> {
        let fields = self.fields.as_ref().filter(|_fields| self.word() == "pause")?;
        fields.number("n").ok()?
    }

    /// The request to this process; None for a message to another process, an outdated or an unknown one.
    pub(super) fn work(&self, consumer: &str, now_ms: i64) -> Option<Work> {
        let fields = self.fields.as_ref()?;
        if fields.get("for") != Some(consumer) {
            return None;
        }
        match self.word() {
            "drain" => {
                let until: i64 = fields.number("until").ok()??;
                let left = u64::try_from(until - now_ms).ok()?;
                Some(Work::Drain { resume_after: Duration::from_millis(left) })
            }
            "cancel" => {
                let place = Place::parse(fields.get("lease")?)?;
                let job_id = JobId::parse(fields.get("job")?).ok()?;
                Some(Work::Cancelled { lease: Lease { token: place.token(), job_id } })
            }
            _other => None,
        }
    }
}

/// Sorts the entries of a read into jobs, messages and malformed ones. A key that `lane_of` does not know is the control stream.
pub(super) fn sort(
    streams: Streams,
    lane_of: impl Fn(&str) -> Option<Lane>,
) -> Result<Delivered, StoreFault> {
    let mut delivered = Delivered::default();
    for (key, entries) in streams {
        let lane = lane_of(&key);
        for Entry { id, fields } in entries {
            let fields = fields.map(|flat| Fields::from_flat(key.clone(), flat)).transpose();
            match (lane, fields) {
                (None, fields) => {
                    delivered.messages.push(Message { entry: id, fields: fields.ok().flatten() });
                }
                (Some(lane), Ok(Some(fields))) => delivered.jobs.push((place(lane, &id)?, fields)),
                (Some(_lane), Ok(None)) => {}
                (Some(lane), Err(error)) => {
                    delivered.malformed.push(Malformed::new(place(lane, &id)?, &error));
                }
            }
        }
    }
    delivered.jobs.sort_by_key(|(place, _)| *place);
    Ok(delivered)
}

/// Entries that were delivered to this process before.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) jobs: Vec<(Place, Fields)>,
    /// Pending entries that are no longer in the stream.
    pub(super) deleted: Vec<Place>,
    pub(super) malformed: Vec<Malformed>,
    /// Id of the last entry, behind which the next read goes on; None when there was none.
    pub(super) last: Option<String>,
}

/// Sorts the entries of a read of pending entries in one lane.
pub(super) fn sort_pending(streams: Streams, lane: Lane) -> Result<Pending, StoreFault> {
    let mut pending = Pending::default();
    for (key, entries) in streams {
        for Entry { id, fields } in entries {
            let place = place(lane, &id)?;
            match fields.map(|flat| Fields::from_flat(key.clone(), flat)) {
                Some(Ok(fields)) => pending.jobs.push((place, fields)),
                Some(Err(error)) => pending.malformed.push(Malformed::new(place, &error)),
                None => pending.deleted.push(place),
            }
            pending.last = Some(id);
        }
    }
    Ok(pending)
}

fn place(lane: Lane, id: &str) -> Result<Place, StoreFault> {
    Place::new(lane, id).ok_or_else(|| reply::corrupt("an entry id", id))
}
