//! Shares of a fleet's number of actors: passed on to the supervisors of other machines, and taken from them.

use std::time::Duration;

use async_trait::async_trait;
use prost::Message;
use tokio::time::timeout;
use tonic::Status;

use super::SupervisorService;
use super::call::Call;
use super::node_caller::{NodeCaller, decoded};
use crate::domain::model::event::Cause;
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::text::cut;
use crate::domain::model::violation::Violations;
use crate::grpc::node_calls::{NodeCall, ShareAnswer, ShareRequest};
use crate::grpc::status::Failure;
use crate::ports::node_shares::{MAX_FAULT, NodeShares, ShareOrder, ShareResult};

/// Name of the call among supervisors.
pub(super) const METHOD: &str = "ScaleToShare";
/// Call of the contract whose rule holds for it.
pub(super) const LIKE: &str = "ScaleActors";
/// Time beyond its wait after which an order counts as unanswered.
const ALLOWANCE: Duration = Duration::from_secs(10);

#[async_trait]
impl NodeShares for NodeCaller {
    async fn scale(&self, node: &NodeName, order: &ShareOrder, cause: &Cause) -> Result<ShareResult, String> {
        let request = ShareRequest {
            queue: order.queue.to_string(),
            replicas: order.replicas,
            drain_millis: order.drain_timeout.map(millis),
            names: order.names.iter().map(ActorId::to_string).collect(),
        };
        let call = NodeCall {
            method: METHOD.to_owned(),
            request: request.encode_to_vec(),
            wait_millis: Some(millis(order.wait)),
            request_id: cause.request_id.clone(),
            identity: cause.identity.clone(),
            reason: cause.reason.clone(),
        };
        let answered = timeout(order.wait.saturating_add(ALLOWANCE), self.call(node, &call)).await;
        let answer = answered.unwrap_or_else(|_late| {
            Err(Status::deadline_exceeded("its supervisor has not answered in time"))
        });
        let read = answer.and_then(|bytes| decoded::<ShareAnswer>(node, &bytes));
        let answer = read.map_err(|status| cut(status.message(), MAX_FAULT).into_owned())?;
        Ok(ShareResult { added: parsed(&answer.added), removed: parsed(&answer.removed), done: answer.done })
    }
}

impl SupervisorService {
    /// Scales this machine to its share of the fleet.
    pub(super) async fn scale_to_share(
        &self,
        call: &Call,
        request: ShareRequest,
    ) -> Result<ShareAnswer, Failure> {
        let queue = QueueName::parse(&request.queue).map_err(|what| Violations::one("queue", what))?;
        let order = ShareOrder {
            queue,
            replicas: request.replicas,
            drain_timeout: request.drain_millis.map(Duration::from_millis),
            names: parsed(&request.names),
            wait: call.wait(None),
        };
        let queue = self.supervisor.typed_queue(queue).await?;
        let result = self.gate.run(call.manager.scale_to_share(queue, &order)).await?;
        let names = |ids: Vec<ActorId>| ids.iter().map(ActorId::to_string).collect();
        Ok(ShareAnswer { added: names(result.added), removed: names(result.removed), done: result.done })
    }
}

/// Reads names of actors. What cannot be one is of a later version.
fn parsed(names: &[String]) -> Vec<ActorId> {
    names.iter().flat_map(|name| ActorId::parse(name)).collect()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
