//! Rules of flow by key, and the jobs of a key.

use redis::{Cmd, FromRedisValue, ParsingError, Value};

use super::RedisQueue;
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::records::encode_flow;
use crate::adapters::redis::reply::Parts;
use crate::domain::model::flow::FlowRules;
use crate::domain::model::id::JobId;
use crate::domain::model::queue_name::QueueName;
use crate::ports::queue_admin::FlowStanding;
use crate::ports::store_fault::StoreFault;

impl RedisQueue {
    /// Notes rules, which the next round of maintenance brings into force if nobody does before.
    pub(super) fn note_flow(&self, queue: QueueName, generation: u64, rules: &FlowRules) {
        self.shared.flows.lock().insert(queue, (generation, encode_flow(rules).into()));
    }

    /// Brings the rules of a queue into force, if some were noted.
    pub(super) async fn send_flow(&self, queue: QueueName) -> Result<(), StoreFault> {
        let mut command = Function::Flow.on_queue(queue);
        match self.add_flow(queue, &mut command) {
            false => Ok(()),
            true => self.shared.connection.call::<i64>(&command, "rules of flow").await.map(drop),
        }
    }

    /// Adds generation and rules to a call; false if none were noted.
    pub(super) fn add_flow(&self, queue: QueueName, command: &mut Cmd) -> bool {
        let known = self.shared.flows.lock().get(&queue).cloned();
        let Some((generation, rules)) = known else { return false };
        command.arg(generation).arg(&*rules);
        true
    }

    pub(super) async fn read_flow_key(
        &self,
        queue: QueueName,
        key: &str,
        job: &JobId,
    ) -> Result<FlowStanding, StoreFault> {
        let mut command = Function::FlowKey.on_queue(queue);
        command.arg(key).arg(job.as_str());
        self.shared.connection.call(&command, "the jobs of a flow key").await
    }
}

impl FromRedisValue for FlowStanding {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        let (running, is_running) = (parts.next::<u64>()?, parts.next::<i64>()? == 1);
        let ids: Vec<String> = parts.rest()?;
        let jobs = ids.iter().filter_map(|id| JobId::parse(id).ok()).collect();
        Ok(Self { running, jobs, is_running })
    }
}
