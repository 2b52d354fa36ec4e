//! Output of jobs, read from their streams.

use crate::adapters::redis::connection::Connection;
use crate::adapters::redis::keys;
use crate::adapters::redis::records::{Fields, decode_output};
use crate::adapters::redis::reply::Entry;
use crate::domain::model::id::JobId;
use crate::domain::model::output::{Kept, OutputMark};
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::QueueError;

/// Reads the output of a job behind a mark.
pub(super) async fn read(
    connection: &Connection,
    script_type: ScriptType,
    id: &JobId,
    after: &OutputMark,
    limit: usize,
) -> Result<Vec<Kept>, QueueError> {
    let key = keys::output(script_type, id);
    let from = match after.0.as_str() {
        "" => "-".to_owned(),
        mark => format!("({mark}"),
    };
    let mut range = redis::cmd("XRANGE");
    range.arg(&key).arg(from).arg("+").arg("COUNT").arg(limit);
    let entries: Vec<Entry> = connection.call(&range, "the output of a job").await?;
    let kept = |Entry { id, fields }: Entry| {
        decode_output(id, &Fields::from_flat_lossy(key.clone(), fields.unwrap_or_default())?)
    };
    entries.into_iter().map(kept).collect()
}
