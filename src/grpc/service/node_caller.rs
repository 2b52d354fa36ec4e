//! Sends calls to the supervisors of other machines.

use std::sync::Arc;

use prost::Message;
use tonic::Status;

use crate::domain::model::id::NodeName;
use crate::error::SupervisorError;
use crate::grpc::node_calls::{NodeAnswer, NodeCall};
use crate::grpc::shutdown_gate::ShutdownGate;
use crate::grpc::status::Failure;
use crate::ports::node_calls::{MAX_CALL_BYTES, NodeCallError, NodeCalls, NodeInboxError};

/// The way to the supervisors of other machines. A cheap clone.
#[derive(Clone)]
pub(crate) struct NodeCaller {
    node_calls: Arc<dyn NodeCalls>,
    gate: ShutdownGate,
}

impl NodeCaller {
    pub(crate) fn new(node_calls: Arc<dyn NodeCalls>, gate: ShutdownGate) -> Self {
        Self { node_calls, gate }
    }

    /// Has a call run by the supervisor of a node, and returns its encoded response.
    ///
    /// # Errors
    /// REQUEST_TOO_LARGE, NODE_UNAVAILABLE, SERVER_DRAINING, those of Redis; those of the call itself, as that supervisor
    /// made them.
    pub(super) async fn call(&self, node: &NodeName, call: &NodeCall) -> Result<Vec<u8>, Status> {
        let message = call.encode_to_vec();
        if message.len() > MAX_CALL_BYTES {
            return Err(Failure::request_too_large(MAX_CALL_BYTES).into());
        }
        let answered =
            async { self.node_calls.call(node, message).await.map_err(|error| unanswered(node, error)) };
        let answer: NodeAnswer = decoded(node, &self.gate.wait(answered).await?)?;
        answer.into_result()
    }
}

/// Reads a message of another supervisor.
pub(super) fn decoded<T: Message + Default>(node: &NodeName, bytes: &[u8]) -> Result<T, Status> {
    T::decode(bytes).map_err(|error| {
        let what = format!("read the answer of the supervisor of node {node}");
        SupervisorError::Internal { what, source: error.into() }.into()
    })
}

/// The error of a call that has no answer.
fn unanswered(node: &NodeName, error: NodeCallError) -> SupervisorError {
    let reason = error.to_string();
    let has_no_effect = match error {
        NodeCallError::NotSent(fault) => return NodeInboxError::from(fault).into(),
        NodeCallError::NotTaken | NodeCallError::TooMany => true,
        NodeCallError::Lost | NodeCallError::Unknown(_) => false,
    };
    SupervisorError::NodeUnavailable { node: node.clone(), reason, has_no_effect }
}
