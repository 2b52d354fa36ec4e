//! Ends of attempts, written in batches.

use redis::{Cmd, FromRedisValue, ParsingError, Value};

use super::leases::{add_lease, add_output};
use super::{CALL_BYTES, HeldJob, RedisWorkQueue};
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys::Place;
use crate::adapters::redis::records::{encode_error, encode_job_usage, millis};
use crate::adapters::redis::reply::Lossy;
use crate::ports::store_fault::{Refusal, StoreFault};
use crate::ports::work_queue::{AttemptEnd, Retryability};

/// Most ends in one call.
const ENDS: usize = 64;

/// An end to be written, with its index among all.
struct Ending<'a> {
    index: usize,
    place: Place,
    held: HeldJob,
    end: &'a AttemptEnd,
}

impl RedisWorkQueue {
    /// Writes ends; false for those whose lease was void.
    pub(super) async fn finish_attempts(&self, ends: &[AttemptEnd]) -> Result<Vec<bool>, StoreFault> {
        let mut accepted = vec![false; ends.len()];
        let generation = self.connection.before(self.config.durability, &self.streams.queue).await?;
        let mut batch = Vec::with_capacity(ENDS.min(ends.len()));
        let (mut bytes, mut sent) = (0, false);
        for (index, end) in ends.iter().enumerate() {
            // The lease of a job that is not held any more was void already.
            let Some((place, held)) = self.held_job(&end.lease) else { continue };
            bytes += size_of(end);
            sent = true;
            batch.push(Ending { index, place, held, end });
            if batch.len() == ENDS || bytes >= CALL_BYTES {
                self.send_ends(&mut batch, &mut accepted).await?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.send_ends(&mut batch, &mut accepted).await?;
        }
        // Until a replica has them they are kept, to be written to another primary if there will be one. That counts for ends that
        // were not taken as well: an earlier call may have written them, and not have heard of it.
        if let Some(generation) = generation.filter(|_generation| sent) {
            self.replicas.acknowledge(&self.connection, &self.streams.queue, generation).await?;
        }
        let mut held = self.held.lock();
        for end in ends {
            if let Some(gone) = held.remove(&end.lease.token) {
                self.note_job(gone.ping);
            }
        }
        drop(held);
        Ok(accepted)
    }

    /// Writes a batch of ends and empties it.
    async fn send_ends(&self, batch: &mut Vec<Ending<'_>>, accepted: &mut [bool]) -> Result<(), StoreFault> {
        for (ending, answer) in batch.iter().zip(self.call_end(batch).await?) {
            accepted[ending.index] = match answer {
                EndAnswer::Accepted(accepted) => accepted,
                EndAnswer::NotWritten(reason) => return Err(StoreFault::Rejected { reason }),
            };
        }
        batch.clear();
        Ok(())
    }

    /// Has ends written, with what they have used. Functions of an older supervisor take only the ends: they serve while ours cannot
    /// be loaded.
    async fn call_end(&self, batch: &[Ending<'_>]) -> Result<Vec<EndAnswer>, StoreFault> {
        const WHAT: &str = "the end of attempts";
        match self.connection.call(&self.ends(Function::End, batch), WHAT).await {
            Err(StoreFault::Refused { refusal: Refusal::Full | Refusal::AccessDenied, .. }) => {
                self.connection.call(&self.ends(Function::Finish, batch), WHAT).await
            }
            answered => answered,
        }
    }

    /// A call with ends, of the function that takes their usage or of the one that does not.
    fn ends(&self, function: Function, batch: &[Ending<'_>]) -> Cmd {
        let mut finish = self.function(function);
        for Ending { place, held, end, .. } in batch {
            if !end.output.is_empty() {
                finish.arg("log");
                add_output(&mut finish, *place, held.attempt, &end.lease, &end.output);
            }
            add_lease(&mut finish, *place, &end.lease).arg(held.attempt).arg(millis(end.started_at));
            match &end.outcome {
                Ok(result) => {
                    finish.arg("ok").arg(&result.text).arg(result.kind.as_str()).arg(0);
                }
                Err(failed) => {
                    let retry = match failed.retry {
                        Retryability::Final => "error",
                        Retryability::Retry => "retry",
                        Retryability::NotStarted => "free",
                    };
                    let delay = held.backoff.delay(held.attempt, fastrand::f64());
                    finish.arg(retry).arg(&failed.error.message).arg(encode_error(&failed.error));
                    finish.arg(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
                }
            }
            if function == Function::End {
                finish.arg(encode_job_usage(end.usage.as_ref()));
            }
        }
        finish
    }
}

/// The answer to one end of `hero_finish`.
enum EndAnswer {
    /// False when the lease was void.
    Accepted(bool),
    NotWritten(String),
}

impl FromRedisValue for EndAnswer {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        match answer {
            Value::Int(number) => Ok(Self::Accepted(number == 1)),
            other => Lossy::from_redis_value(other).map(|Lossy(why)| Self::NotWritten(why)),
        }
    }
}

/// Bytes of an end that count towards the limit of a call.
fn size_of(end: &AttemptEnd) -> usize {
    let result = end.outcome.as_ref().map_or(0, |result| result.text.len());
    result + end.output.iter().map(|chunk| chunk.item.len()).sum::<usize>()
}
