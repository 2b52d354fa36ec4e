//! Taking: how jobs and messages get from the streams to an actor.

use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::Instant;

use super::deliveries::{self, Delivered, Malformed, Message};
use super::{HeldJob, LEASES, RedisWorkQueue, Streams};
use crate::adapters::redis::connection::ReadFailed;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys::{self, GROUP, Lane, Place};
use crate::adapters::redis::records::{Fields, TASK, decode_spec};
use crate::adapters::redis::reply::{self, Streams as Read};
use crate::domain::model::durability::Durability;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{JobKind, JobSpec, MAX_INPUT_BYTES, MAX_SCRIPT_BYTES};
use crate::ports::job_queue::QueueError;
use crate::ports::store_fault::StoreFault;
use crate::ports::work_queue::{Lease, TakenJob, Work, WorkQueue};

/// Time beyond its wait after which a read is given up, together with its connection.
const READ_GRACE: Duration = Duration::from_secs(10);
/// Name of a record in errors.
const JOB: &str = "a job";
/// Pending entries that one read of a recovery asks for.
const RECOVERED: usize = 500;

impl RedisWorkQueue {
    /// Reads on the connection that is kept for blocking reads.
    async fn read(&self, command: &Cmd, block: Duration) -> Result<Read, StoreFault> {
        let kept = self.reader.lock().clone();
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let connection = self.connection.blocking(&self.streams.queue).await?;
                *self.reader.lock() = Some(connection.clone());
                connection
            }
        };
        let answer = match connection.query(command, block + READ_GRACE).await {
            Ok(answer) => return reply::read("a read", answer),
            Err(ReadFailed::Redis(error)) if is_no_group(&error) => {
                let draining = self.draining.load(Ordering::Relaxed);
                self.announce(draining).await.map_err(QueueError::into_fault)?;
                return Ok(Read::new());
            }
            Err(ReadFailed::Redis(error)) => Err(self.connection.name_wrong_type(command, &error).await),
            Err(failed) => Err(failed.into()),
        };
        *self.reader.lock() = None;
        answer
    }

    /// Reads jobs and messages that are there, or come within `block`.
    pub(super) async fn read_work(
        &self,
        max: usize,
        front_first: bool,
        block: Duration,
    ) -> Result<Delivered, StoreFault> {
        let mut command = self.group_read(max.max(1));
        if !block.is_zero() {
            // With 0 Redis would wait without end.
            command.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1));
        }
        command.arg("STREAMS");
        let Streams { front, inbox, queue, control } = &self.streams;
        if max == 0 || self.is_paused() {
            command.arg(control).arg(">");
        } else if front_first {
            command.arg(&[front, inbox, control]).arg(&[">"; 3]);
        } else {
            command.arg(&[front, inbox, control, queue]).arg(&[">"; 4]);
        }
        let read = self.read(&command, block).await?;
        self.confirm(deliveries::sort(read, |key| self.lane_of(key))?).await
    }

    /// Waits until a replica knows of deliveries, so that no failover gives their jobs to another actor as well. Without a replica
    /// the jobs go back to where they were.
    async fn confirm(&self, delivered: Delivered) -> Result<Delivered, StoreFault> {
        if self.config.durability == Durability::Primary || delivered.jobs.is_empty() {
            return Ok(delivered);
        }
        let reader = self.reader.lock().clone();
        let confirmed = match reader {
            Some(mut reader) => reader.until_replicated().await,
            None => Err(StoreFault::Unavailable("the connection has ended".into())),
        };
        let Err(error) = confirmed else { return Ok(delivered) };
        *self.reader.lock() = None;
        if let Err(error) = self.release_places(&places_of(&delivered.jobs)).await {
            tracing::debug!(%error, "jobs: not returned (a recovery finds them)");
        }
        match delivered.messages.is_empty() {
            true => Err(error),
            false => Ok(Delivered { jobs: Vec::new(), ..delivered }),
        }
    }

    fn lane_of(&self, key: &str) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| self.streams.lane(*lane) == key)
    }

    /// Turns entries into jobs and keeps their order.
    pub(super) async fn open_jobs(&self, entries: Vec<(Place, Fields)>) -> Result<Vec<TakenJob>, StoreFault> {
        let mut jobs = Vec::with_capacity(entries.len());
        let mut malformed = Vec::new();
        let records = self.missing_records(&entries).await?;
        for ((place, fields), record) in entries.into_iter().zip(records) {
            let Some(id) = fields.get("id").and_then(|id| JobId::parse(id).ok()) else {
                malformed.push(Malformed { place, why: "it has no id of a job".to_owned() });
                continue;
            };
            let lease = Lease { token: place.token(), job_id: id };
            let attempt = fields.number("attempt").ok().flatten().unwrap_or(1);
            let source = match &record {
                Record::Inline => &fields,
                Record::Read(record) => record,
                Record::Gone => {
                    self.discard(place).await?;
                    continue;
                }
                Record::Malformed(error) => {
                    malformed.push(Malformed::new(place, error));
                    continue;
                }
            };
            match decode_spec(source, self.queue) {
                Ok(spec) if spec.script.len() > MAX_SCRIPT_BYTES => {
                    let why = format!("its script is longer than {MAX_SCRIPT_BYTES} bytes");
                    malformed.push(Malformed { place, why });
                }
                Ok(spec) if spec.input.as_ref().is_some_and(|input| input.len() > MAX_INPUT_BYTES) => {
                    let why = format!("its input is longer than {MAX_INPUT_BYTES} bytes");
                    malformed.push(Malformed { place, why });
                }
                Ok(mut spec) => {
                    // Where flow by key holds, the entry has the key of every job.
                    if spec.flow_key.is_none() {
                        spec.flow_key = fields.get("flow").map(str::to_owned);
                    }
                    self.hold(&lease, attempt, &spec);
                    jobs.push(TakenJob { lease, spec, attempt });
                }
                Err(error) => malformed.push(Malformed::new(place, &error)),
            }
        }
        self.reject(&malformed).await?;
        Ok(jobs)
    }

    /// Reads the records of jobs whose entries do not carry them.
    async fn missing_records(&self, entries: &[(Place, Fields)]) -> Result<Vec<Record>, StoreFault> {
        let mut pipeline = redis::pipe();
        let mut records: Vec<Record> = entries.iter().map(|_| Record::Inline).collect();
        let mut asked = Vec::new();
        for (index, (_place, fields)) in entries.iter().enumerate() {
            if fields.get("script").is_none()
                && let Some(id) = fields.get("id").and_then(|id| JobId::parse(id).ok())
            {
                let key = keys::job(self.queue, &id);
                pipeline.cmd("HMGET").arg(&key).arg(&TASK);
                asked.push((index, key));
            }
        }
        if asked.is_empty() {
            return Ok(records);
        }
        let answers = self.connection.pipe_each::<Vec<Value>>(pipeline, JOB).await?;
        for ((index, key), values) in asked.into_iter().zip(answers) {
            records[index] = match values.and_then(|values| record_of(key, values)) {
                Ok(record) => record,
                Err(error) => Record::Malformed(error),
            };
        }
        Ok(records)
    }

    /// Removes an entry that no longer stands for a job.
    pub(super) async fn discard(&self, place: Place) -> Result<(), StoreFault> {
        let mut pipeline = redis::pipe();
        let key = self.streams.lane(place.lane);
        pipeline.cmd("XACK").arg(key).arg(GROUP).arg(place.entry()).cmd("XDEL").arg(key).arg(place.entry());
        self.connection.pipe::<()>(&pipeline, "a removal").await.map(drop)
    }

    /// Moves malformed entries to the dead letters, so that none of them keeps others back or comes again. Jobs that they stand
    /// for fail.
    pub(super) async fn reject(&self, malformed: &[Malformed]) -> Result<(), StoreFault> {
        for chunk in malformed.chunks(LEASES) {
            let mut reject = self.function(Function::Reject);
            for Malformed { place, why } in chunk {
                let (lane, entry) = (place.lane.letter(), place.entry());
                tracing::error!(lane, entry, "malformed entry: moved to the dead letters ({why})");
                reject.arg(lane).arg(entry).arg(why);
            }
            self.connection.call::<()>(&reject, "a reject").await?;
        }
        Ok(())
    }

    pub(super) fn is_paused(&self) -> bool {
        self.pause.load(Ordering::SeqCst) % 2 == 1
    }

    /// Notes the number of a pause. Two numbers may come in the wrong order, one by a message and one with an announcement.
    pub(super) fn note_pause(&self, number: u64) {
        self.pause.fetch_max(number, Ordering::SeqCst);
    }

    /// Releases the jobs that came in one read with the message of a pause; pings are kept.
    pub(super) async fn release_paused(&self, mut delivered: Delivered) -> Result<Delivered, StoreFault> {
        for number in delivered.messages.iter().filter_map(Message::pause) {
            self.note_pause(number);
        }
        if self.is_paused() && !delivered.jobs.is_empty() {
            let (pings, jobs): (Vec<_>, Vec<_>) =
                delivered.jobs.into_iter().partition(|(_place, fields)| fields.get("kind") == Some("ping"));
            delivered.jobs = pings;
            self.release_places(&places_of(&jobs)).await?;
        }
        Ok(delivered)
    }

    /// Removes messages that were read, and returns the requests to this process.
    async fn handle_messages(&self, messages: Vec<Message>) -> Result<Vec<Work>, StoreFault> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let control = &self.streams.control;
        let mut pipeline = redis::pipe();
        let ids: Vec<&str> = messages.iter().map(|message| message.entry.as_str()).collect();
        pipeline.cmd("XACK").arg(control).arg(GROUP).arg(&ids).cmd("XDEL").arg(control).arg(&ids).cmd("TIME");
        let mut answers: Vec<Value> = self.connection.pipe(&pipeline, "messages").await?;
        let (seconds, micros): (i64, i64) = reply::read("the time", answers.pop().unwrap_or_default())?;
        let now = seconds * 1000 + micros / 1000;
        let mut work = Vec::new();
        for message in &messages {
            if let Some(heeded) = message.work(&self.consumer, now) {
                if let Work::Cancelled { lease } = &heeded {
                    self.held.lock().remove(&lease.token);
                }
                work.push(heeded);
            }
        }
        Ok(work)
    }

    fn hold(&self, lease: &Lease, attempt: u32, spec: &JobSpec) {
        let ping = spec.kind == JobKind::Ping;
        let held = HeldJob { attempt, backoff: spec.retry.backoff, ping };
        self.held.lock().insert(lease.token.clone(), held);
        self.note_job(ping);
    }

    pub(super) fn note_job(&self, ping: bool) {
        if !ping {
            *self.last_job.lock() = Some(Instant::now());
        }
    }

    pub(super) async fn deliver(&self, max: usize, delivered: Delivered) -> Result<Vec<Work>, StoreFault> {
        let Delivered { mut jobs, messages, malformed } = delivered;
        self.reject(&malformed).await?;
        // The read asks each stream for `max`; excess jobs are released.
        let excess = jobs.split_off(jobs.len().min(max));
        let front_is_full = !excess.is_empty()
            || jobs.iter().filter(|(place, _)| place.lane == Lane::Front).count() >= max.max(1);
        if front_is_full {
            self.front_first.store(true, Ordering::Relaxed);
        }
        if !excess.is_empty() {
            self.release_places(&places_of(&excess)).await?;
        }
        let mut work = self.handle_messages(messages).await?;
        work.extend(self.open_jobs(jobs).await?.into_iter().map(|job| Work::Job(Box::new(job))));
        Ok(work)
    }

    /// Reads the entries that were delivered to this process and are not known to it.
    pub(super) async fn recover_jobs(&self, known: &[Lease]) -> Result<Vec<Work>, StoreFault> {
        let mut work = Vec::new();
        let generation = self.connection.generation(&self.streams.queue);
        for lane in Lane::ALL {
            let mut after = "0".to_owned();
            loop {
                let mut command = self.group_read(RECOVERED);
                command.arg("STREAMS").arg(self.streams.lane(lane)).arg(&after);
                let read = match self.connection.call(&command, "pending entries").await {
                    Err(StoreFault::Rejected { reason }) if reason.contains("NOGROUP") => break,
                    other => other?,
                };
                let page = deliveries::sort_pending(read, lane)?;
                let Some(last) = page.last else { break };
                after = last;
                for place in page.deleted {
                    self.discard(place).await?;
                }
                self.reject(&page.malformed).await?;
                let mut jobs = page.jobs;
                jobs.retain(|(place, _)| !known.iter().any(|lease| Place::of(lease) == Some(*place)));
                if self.config.durability == Durability::Replicated && !jobs.is_empty() {
                    self.replicas.acknowledge(&self.connection, &self.streams.queue, generation).await?;
                }
                work.extend(self.open_jobs(jobs).await?.into_iter().map(|job| Work::Job(Box::new(job))));
            }
        }
        Ok(work)
    }
}

/// The record of a job whose entry may carry it.
enum Record {
    Inline,
    Read(Fields),
    Gone,
    Malformed(StoreFault),
}

fn record_of(key: String, values: Vec<Value>) -> Result<Record, StoreFault> {
    Ok(match Fields::from_known(key, &TASK, values)? {
        Some(fields) => Record::Read(fields),
        None => Record::Gone,
    })
}

/// Places and job ids of entries.
fn places_of(entries: &[(Place, Fields)]) -> Vec<(Place, String)> {
    let id = |fields: &Fields| fields.get("id").unwrap_or_default().to_owned();
    entries.iter().map(|(place, fields)| (*place, id(fields))).collect()
}

/// True if the stream or its group has gone.
fn is_no_group(error: &redis::RedisError) -> bool {
    error.code() == Some("NOGROUP") || error.code() == Some("UNBLOCKED")
}
