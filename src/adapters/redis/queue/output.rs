//! What scripts said, read from the stream of their job.

use redis::Value;

use super::super::connection::{Connection, unexpected};
use super::super::keys;
use super::super::records::{Fields, decode_output};
use crate::domain::model::id::JobId;
use crate::domain::model::output::{Kept, OutputMark};
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::QueueError;

/// Reads entries behind a mark.
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
    let answer = connection.call(&range).await?;
    let Value::Array(entries) = answer else { return Err(unexpected("the output of a job", &answer)) };
    entries.into_iter().map(|entry| kept(&key, entry)).collect()
}

fn kept(key: &str, entry: Value) -> Result<Kept, QueueError> {
    let Value::Array(parts) = entry else { return Err(unexpected("the output of a job", &entry)) };
    match <[Value; 2]>::try_from(parts) {
        Ok([Value::BulkString(mark), Value::Array(flat)]) => {
            let fields = Fields::from_flat_lossy(key.to_owned(), flat)?;
            decode_output(String::from_utf8_lossy(&mark).into_owned(), &fields)
        }
        Ok([other, _]) => Err(unexpected("the output of a job", &other)),
        Err(parts) => Err(unexpected("the output of a job", &Value::Array(parts))),
    }
}
