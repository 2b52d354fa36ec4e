//! Bounds the text of a job: one that no answer could hold is damaged, and must not cost others their place in a list.

use super::Fields;
use crate::domain::model::job::{Job, JobError};
use crate::ports::store_fault::StoreFault;

/// Most bytes of text. The largest job that is accepted, with the largest result or error, needs less; a message of
/// gRPC holds it.
const MOST_BYTES: usize = 15 * 256 * 1024;
/// Bytes that an item takes beside its text, give or take.
const ITEM: usize = 8;

/// Returns the job if it is not too long.
pub(super) fn bounded(job: Job, fields: &Fields) -> Result<Job, StoreFault> {
    let bytes = text_bytes(&job);
    if bytes <= MOST_BYTES {
        return Ok(job);
    }
    let source = format!("has {bytes} bytes of text, more than {MOST_BYTES}").into();
    Err(StoreFault::Corrupt { what: fields.key().to_owned(), source })
}

fn text_bytes(job: &Job) -> usize {
    let spec = &job.spec;
    let pairs = spec.env.iter().chain(&spec.labels).map(|(name, value)| name.len() + value.len() + ITEM);
    let names = [&spec.caller_id, &spec.context_id].map(String::len);
    let ends = [
        job.result.as_ref().map(|result| result.text.len()),
        job.error.as_ref().map(error_bytes),
        job.cancel_reason.as_ref().map(String::len),
        job.progress.as_ref().map(|progress| progress.message.len()),
    ];
    let past = job.past_attempts.iter().filter_map(|attempt| attempt.error.as_ref()).map(error_bytes);
    spec.script.len()
        + spec.input.as_ref().map_or(0, String::len)
        + pairs.sum::<usize>()
        + names.iter().sum::<usize>()
        + ends.into_iter().flatten().sum::<usize>()
        + past.sum::<usize>()
}

fn error_bytes(error: &JobError) -> usize {
    error.message.len() + error.log_tail.iter().map(|line| line.len() + ITEM).sum::<usize>()
}
