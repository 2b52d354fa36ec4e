//! Keys that name the queue of a job or a request, where the id of the job does not tell it.
//!
//! An id that a caller has chosen and a request id count in all queues. The function that accepts a job looks into its own queue and the
//! default ones. So for a job in another queue, a key names that queue before the job is submitted; for a job in a default queue such
//! keys are read. Two submits of one id to two queues in the same moment can both be accepted, as in a Cluster (`elsewhere`).

use std::time::Duration;

use redis::{Cmd, Pipeline};

use super::elsewhere::Elsewhere;
use super::{Shared, span_millis};
use crate::adapters::redis::keys;
use crate::adapters::redis::reply::Lossy;
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_submission::Submission;
use crate::ports::store_fault::StoreFault;

/// Time for which an id leads to its queue: the longest wait until a job is due, the longest run and the longest time for which its record
/// is kept.
pub(in crate::adapters::redis) const ID_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// The same for a request: the time for which the id of a request stands for its job.
const REQUEST_KEPT: Duration = Duration::from_secs(24 * 3600);

/// A key that names a queue.
struct Claim {
    /// Index of the job.
    index: usize,
    key: String,
    kept: Duration,
    what: What,
}

/// Subject of a claim.
enum What {
    Job,
    /// The text of the request.
    Request(String),
}

/// Names this queue for jobs that are to be submitted to it. Returns what other queues know of them. For jobs of a default queue, others
/// that do not answer have no say.
pub(super) async fn claim(
    shared: &Shared,
    queue: QueueName,
    submissions: &[&Submission],
) -> Result<Vec<Elsewhere>, StoreFault> {
    let unknown = || vec![Elsewhere::default(); submissions.len()];
    if queue.default_type().is_none() {
        return look(shared, queue, submissions).await;
    }
    if shared.known.names().is_empty() {
        return Ok(unknown());
    }
    Ok(look(shared, queue, submissions).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "named queues: not asked about a job of queue {queue}");
        unknown()
    }))
}

async fn look(
    shared: &Shared,
    queue: QueueName,
    submissions: &[&Submission],
) -> Result<Vec<Elsewhere>, StoreFault> {
    let mut known = vec![Elsewhere::default(); submissions.len()];
    let is_default = queue.default_type().is_some();
    let claims = claims_of(queue, submissions);
    if claims.is_empty() {
        return Ok(known);
    }
    let mut pipeline = redis::pipe();
    for claim in &claims {
        if is_default {
            pipeline.cmd("GET").arg(&claim.key);
        } else {
            set(&mut pipeline, claim, queue).arg("NX").arg("GET");
        }
    }
    let named: Vec<Option<Lossy>> = shared.connection.pipe(&pipeline, "the queue of a job").await?;
    for (claim, named) in claims.iter().zip(named) {
        let other = named.and_then(|named| QueueName::parse(&named.0).ok()).filter(|other| *other != queue);
        let Some(other) = other else { continue };
        let counts = ask(shared, other, claim, submissions, &mut known).await?;
        if !counts && !is_default {
            // What it named has gone.
            let mut again = redis::pipe();
            set(&mut again, claim, queue);
            let _done: Vec<String> = shared.connection.pipe(&again, "the queue of a job").await?;
        }
    }
    Ok(known)
}

fn set<'a>(pipeline: &'a mut Pipeline, claim: &Claim, queue: QueueName) -> &'a mut Pipeline {
    pipeline.cmd("SET").arg(&claim.key).arg(queue.as_str()).arg("PX").arg(span_millis(claim.kept))
}

/// Ids that tell their queue, and those of supervisors for default queues, need no key.
fn claims_of(queue: QueueName, submissions: &[&Submission]) -> Vec<Claim> {
    let mut claims = Vec::new();
    let is_default = queue.default_type().is_some();
    for (index, Submission { id, request, .. }) in submissions.iter().enumerate() {
        let tells = if is_default { id.minted_at().is_some() } else { id.is_made_for(queue) };
        if !tells {
            claims.push(Claim { index, key: keys::queue_of_id(id), kept: ID_KEPT, what: What::Job });
        }
        if let Some(request) = request {
            let text = request.text().into_owned();
            let key = keys::queue_of_request(&text);
            claims.push(Claim { index, key, kept: REQUEST_KEPT, what: What::Request(text) });
        }
    }
    claims
}

/// Asks the queue that a key names; false if it does not know the job or the request.
async fn ask(
    shared: &Shared,
    other: QueueName,
    claim: &Claim,
    submissions: &[&Submission],
    known: &mut [Elsewhere],
) -> Result<bool, StoreFault> {
    match &claim.what {
        What::Job => {
            let ask: Cmd =
                redis::cmd("EXISTS").arg(keys::job(other, &submissions[claim.index].id)).to_owned();
            let is_taken = shared.connection.call::<i64>(&ask, "a job").await? == 1;
            known[claim.index].is_taken |= is_taken;
            Ok(is_taken)
        }
        What::Request(text) => {
            let ask: Cmd = redis::cmd("GET").arg(keys::request(other, text)).to_owned();
            let found: Option<Lossy> = shared.connection.call(&ask, "a request").await?;
            let first_use = |found: &Lossy| found.0.rsplit(' ').next().and_then(|text| text.parse().ok());
            let used = found.as_ref().map(|found| first_use(found).unwrap_or(0));
            known[claim.index].reused = known[claim.index].reused.or(used);
            Ok(used.is_some())
        }
    }
}
