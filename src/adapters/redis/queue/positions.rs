//! Position of a job in its queue.

use redis::{FromRedisValue, ParsingError, Value};

use super::RedisQueue;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::records::time_of;
use crate::adapters::redis::reply::Parts;
use crate::domain::model::id::JobId;
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_position::{JobPosition, RecentEnd};
use crate::ports::job_queue::QueueError;

impl RedisQueue {
    /// Reads the position of a job of this queue; None if it does not wait there for an actor.
    pub(super) async fn position_in(
        &self,
        queue: QueueName,
        id: &JobId,
    ) -> Result<Option<JobPosition>, QueueError> {
        let mut command = Function::Position.on_queue(queue);
        command.arg(id.as_str());
        Ok(self.shared.connection.call(&command, "the position of a job").await?)
    }
}

impl FromRedisValue for JobPosition {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        let (ahead, is_exact) = (parts.next::<u64>()?, parts.next::<i64>()? == 1);
        let times: Vec<i64> = parts.rest()?;
        let ends = times.as_chunks().0.iter();
        let ends =
            ends.map(|&[started, ended]| RecentEnd { started: time_of(started), ended: time_of(ended) });
        Ok(Self { ahead, is_exact, ends: ends.collect() })
    }
}
