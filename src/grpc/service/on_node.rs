//! Calls about actors of other machines: they are passed on to the supervisor there, and answered by it.
//!
//! ```text
//!  handler ─► on_node ─┬─ an actor of this machine ──► run
//!                      └─ of another one ─► pass_on ─► NodeCalls ─► the handler there: run, with local_only
//! ```
//!
//! Access is decided and the audit log is written where the caller is; what a caller may not see is taken out of the
//! answer there, too.

use std::future::Future;

use prost::Message;
use tonic::Status;

use super::SupervisorService;
use super::call::Call;
use super::node_caller::{NodeCaller, decoded};
use crate::domain::model::id::{ActorId, NodeName};
use crate::error::SupervisorError;
use crate::grpc::parse;
use crate::grpc::status::Failure;

/// The place where a call is to be run.
pub(super) enum Place {
    /// The machine of this actor, if there is one.
    OfActor(String),
    /// The machine of this name; that of the called supervisor if it is empty.
    Named(String),
    /// Wherever it arrives.
    Here,
}

/// A request that another supervisor can run.
pub(super) trait OnNode: Message + Default + Clone + 'static {
    /// Response of the call.
    type Response: Message + Default;
    /// Name of the call.
    const METHOD: &'static str;

    /// Returns where the call is to be run.
    fn place(&self) -> Place;

    /// Marks the request so that whoever gets it runs it or refuses it, and passes it on to nobody.
    fn stay(&mut self);

    /// Runs the call here. The answer is whole; what the caller may not see is still in it.
    fn run(
        self,
        service: &SupervisorService,
        call: &Call,
    ) -> impl Future<Output = Result<Self::Response, Failure>> + Send;
}

impl SupervisorService {
    /// Runs a call on the machine that it is about.
    pub(super) async fn on_node<R: OnNode>(&self, call: &Call, request: R) -> Result<R::Response, Status> {
        match self.other_node(request.place()).await? {
            Some(node) => self.pass_on(&node, call, request).await,
            None => Ok(request.run(self, call).await?),
        }
    }

    /// Returns the other machine on which a call is to be run; None for this one.
    pub(super) async fn other_node(&self, place: Place) -> Result<Option<NodeName>, Failure> {
        if self.nodes.is_none() {
            return Ok(None);
        }
        match place {
            Place::Here => Ok(None),
            // A name that cannot be one is the business of the call itself.
            Place::OfActor(raw) => match ActorId::parse(&raw) {
                Ok(id) => Ok(self.lifecycle.elsewhere(&[id]).await?.into_keys().next()),
                Err(_unnamed) => Ok(None),
            },
            Place::Named(raw) => {
                let node = parse::node(&raw)?;
                Ok(node.filter(|node| node != self.lifecycle.node()))
            }
        }
    }

    /// Has a call run by the supervisor of another machine.
    pub(super) async fn pass_on<R: OnNode>(
        &self,
        node: &NodeName,
        call: &Call,
        mut request: R,
    ) -> Result<R::Response, Status> {
        self.gate.enter()?;
        request.stay();
        let passed = call.for_node(R::METHOD, request.encode_to_vec());
        decoded(node, &self.node_caller()?.call(node, &passed).await?)
    }

    /// Returns the way to other supervisors.
    pub(super) fn node_caller(&self) -> Result<&NodeCaller, Failure> {
        let none = || SupervisorError::NotSupported("a call to another machine");
        Ok(self.nodes.as_ref().ok_or_else(none)?)
    }
}
