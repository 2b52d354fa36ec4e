//! Rules of flow by key, and the jobs of a key.

use std::sync::Arc;

use redis::{Cmd, FromRedisValue, ParsingError, Value};

use super::{RedisQueue, Shared, openings};
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::records::{encode_flow, time_of};
use crate::adapters::redis::reply::Parts;
use crate::domain::model::flow::FlowRules;
use crate::domain::model::id::JobId;
use crate::domain::model::queue_name::QueueName;
use crate::ports::queue_admin::{FlowHeld, FlowStanding};
use crate::ports::store_fault::StoreFault;

/// Knowledge of rules that the text has, as functions tell it from that of older supervisors: 1 has rates.
const FORM: u32 = 1;
/// Most pages of keys whose held jobs are counted.
const HELD_PAGES: usize = 10;
/// Begin of the part of an answer that tells when a key opens, which is no id.
const OPENS: &str = "opens ";

/// The rules of a queue, as its functions read them.
#[derive(Clone)]
pub(super) struct KnownFlow {
    generation: u64,
    text: Arc<str>,
    has_rates: bool,
}

impl Shared {
    /// The queues that have keys with a rate.
    pub(super) fn queues_with_rates(&self) -> Vec<QueueName> {
        let flows = self.flows.lock();
        flows.iter().filter(|(_queue, known)| known.has_rates).map(|(queue, _known)| *queue).collect()
    }
}

impl RedisQueue {
    /// Notes rules, which the next round of maintenance brings into force if nobody does before.
    pub(super) fn note_flow(&self, queue: QueueName, generation: u64, rules: &FlowRules) {
        let known = KnownFlow { generation, text: encode_flow(rules).into(), has_rates: rules.have_rates() };
        self.shared.flows.lock().insert(queue, known);
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
        let Some(KnownFlow { generation, text, has_rates }) = known else { return false };
        command.arg(generation).arg(&*text).arg(FORM);
        if has_rates {
            self.watch_openings();
        }
        true
    }

    /// Opens the keys of a queue whose rates allow it, if there are rates, and finds out when the next one opens.
    pub(super) async fn open_flow(&self, queue: QueueName) {
        let has_rates = self.shared.flows.lock().get(&queue).is_some_and(|known| known.has_rates);
        if has_rates {
            openings::open(&self.shared, queue).await;
        }
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

impl RedisQueue {
    /// Counts held jobs, page by page of their keys. Without rules Redis is not asked.
    pub(super) async fn read_flow_held(&self, queue: QueueName) -> Result<FlowHeld, StoreFault> {
        let mut held = FlowHeld::default();
        if self.shared.flows.lock().get(&queue).is_none_or(|known| known.text.is_empty()) {
            return Ok(held);
        }
        let mut last = String::new();
        for _page in 0..HELD_PAGES {
            let mut command = Function::FlowHeld.on_queue(queue);
            command.arg(&last);
            let answer: (u64, u64, u64, String) =
                self.shared.connection.call(&command, "the held jobs of a queue").await?;
            held.paused += answer.0;
            held.at_limit += answer.1;
            held.over_rate += answer.2;
            last = answer.3;
            if last.is_empty() {
                break;
            }
        }
        Ok(held)
    }
}

impl FromRedisValue for FlowStanding {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut parts = Parts::from_redis_value(answer)?;
        let (running, is_running) = (parts.next::<u64>()?, parts.next::<i64>()? == 1);
        let ids: Vec<String> = parts.rest()?;
        let jobs = ids.iter().filter_map(|id| JobId::parse(id).ok()).collect();
        let opens = ids.iter().find_map(|part| part.strip_prefix(OPENS)?.parse().ok()).map(time_of);
        Ok(Self { running, jobs, is_running, opens })
    }
}
