//! What the streams of an actor hand out.

use std::time::Duration;

use redis::Value;

use super::super::connection::unexpected;
use super::super::keys::{Lane, Place};
use super::super::records::Fields;
use crate::domain::model::id::JobId;
use crate::ports::job_queue::QueueError;
use crate::ports::work_queue::{Lease, Work};

/// Entries of one read.
#[derive(Default)]
pub(super) struct Delivered {
    /// In the order in which they are to be run.
    pub(super) jobs: Vec<(Place, Fields)>,
    pub(super) messages: Vec<Message>,
    pub(super) malformed: Vec<Malformed>,
}

/// An entry that stands for no job that could be run, and why.
pub(super) struct Malformed {
    pub(super) place: Place,
    pub(super) why: String,
}

impl Malformed {
    pub(super) fn new(place: Place, error: &QueueError) -> Self {
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

    /// Whether it only ends a waiting read.
    pub(super) fn is_wake(&self) -> bool {
        self.word() == "wake"
    }

    /// The number of a pause, if it tells of one.
    pub(super) fn pause(&self) -> Option<u64> {
        let fields = self.fields.as_ref().filter(|_fields| self.word() == "pause")?;
        fields.number("n").ok()?
    }

    /// What it asks of this process; None when it is for another one, out of date, or not understood.
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

/// Reads the answer to XREADGROUP; a key that `lane_of` does not know is the control stream.
pub(super) fn read_streams(
    answer: Value,
    lane_of: impl Fn(&str) -> Option<Lane>,
) -> Result<Delivered, QueueError> {
    let streams = match answer {
        Value::Nil => return Ok(Delivered::default()),
        Value::Array(streams) => streams,
        other => return Err(unexpected("a read", &other)),
    };
    let mut delivered = Delivered::default();
    for stream in streams {
        let (key, entries) = pair(stream)?;
        let Value::Array(entries) = entries else { return Err(unexpected("a read", &entries)) };
        let lane = lane_of(&key);
        for entry in entries {
            let (id, fields) = pair(entry)?;
            let fields = match fields {
                Value::Array(flat) => Fields::from_flat(key.clone(), flat).map(Some),
                _deleted => Ok(None),
            };
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

/// Entries that this process has been given before.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) jobs: Vec<(Place, Fields)>,
    /// Pending, but no longer in the stream.
    pub(super) deleted: Vec<Place>,
    pub(super) malformed: Vec<Malformed>,
    /// Where to go on; None when there was nothing.
    pub(super) last: Option<String>,
}

/// Reads the answer to XREADGROUP with an id, for one stream.
pub(super) fn read_pending(answer: Value, lane: Lane) -> Result<Pending, QueueError> {
    let mut pending = Pending::default();
    let streams = match answer {
        Value::Nil => return Ok(pending),
        Value::Array(streams) => streams,
        other => return Err(unexpected("pending entries", &other)),
    };
    for stream in streams {
        let (key, entries) = pair(stream)?;
        let Value::Array(entries) = entries else { return Err(unexpected("pending entries", &entries)) };
        for entry in entries {
            let (id, fields) = pair(entry)?;
            let place = place(lane, &id)?;
            match fields {
                Value::Array(flat) => match Fields::from_flat(key.clone(), flat) {
                    Ok(fields) => pending.jobs.push((place, fields)),
                    Err(error) => pending.malformed.push(Malformed::new(place, &error)),
                },
                _deleted => pending.deleted.push(place),
            }
            pending.last = Some(id);
        }
    }
    Ok(pending)
}

/// The ids that XCLAIM JUSTID answers with.
pub(super) fn entry_ids(answer: Value) -> Result<Vec<String>, QueueError> {
    let Value::Array(values) = answer else { return Err(unexpected("leases", &answer)) };
    values.into_iter().map(text).collect()
}

/// The answer to TIME in milliseconds.
pub(super) fn time_ms(answer: &Value) -> Option<i64> {
    let Value::Array(parts) = answer else { return None };
    let [seconds, micros] = parts.as_slice() else { return None };
    let number = |value: &Value| text(value.clone()).ok()?.parse::<i64>().ok();
    Some(number(seconds)? * 1000 + number(micros)? / 1000)
}

fn place(lane: Lane, id: &str) -> Result<Place, QueueError> {
    Place::new(lane, id).ok_or_else(|| unexpected("an entry id", &Value::SimpleString(id.to_owned())))
}

fn pair(value: Value) -> Result<(String, Value), QueueError> {
    let Value::Array(parts) = value else { return Err(unexpected("an entry", &value)) };
    match <[Value; 2]>::try_from(parts) {
        Ok([name, rest]) => Ok((text(name)?, rest)),
        Err(parts) => Err(unexpected("an entry", &Value::Array(parts))),
    }
}

fn text(value: Value) -> Result<String, QueueError> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Value::SimpleString(text) => Ok(text),
        other => Err(unexpected("an entry id", &other)),
    }
}
