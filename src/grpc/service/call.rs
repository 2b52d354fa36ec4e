//! Parts that the handlers of changing calls share: the cause that events name, and the time that is left.

use std::sync::Arc;
use std::time::Duration;

use tonic::Request;

use super::SupervisorService;
use crate::domain::access::{Identity, Permit, rule_of};
use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::event::{Cause, Source};
use crate::domain::model::violation::Violations;
use crate::grpc::access::{Sight, permit};
use crate::grpc::deadline::{MAX_WAIT, effective_wait, time_left};
use crate::grpc::node_calls::NodeCall;
use crate::grpc::parse;
use crate::grpc::request_id;
use crate::grpc::status::Failure;

/// One call under way.
#[derive(Debug)]
pub(super) struct Call {
    /// The manager, whose events name this call as their cause.
    pub(super) manager: ActorLifecycleManager,
    /// Permit of the caller.
    pub(super) permit: Permit,
    /// Parts of the answer that the caller may see.
    pub(super) sight: Sight,
    time_left: Option<Duration>,
}

impl Call {
    /// Makes the message that passes the call on to another supervisor.
    pub(super) fn for_node(&self, method: &str, request: Vec<u8>) -> NodeCall {
        let cause = self.manager.cause();
        let left = self.time_left.map(|left| effective_wait(Some(MAX_WAIT), Some(left)));
        NodeCall {
            method: method.to_owned(),
            request,
            wait_millis: left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            request_id: cause.request_id.clone(),
            identity: cause.identity.clone(),
            reason: cause.reason.clone(),
        }
    }

    /// Returns the longest wait: the least of `max_wait`, the time left of the deadline, and the limit of the server.
    pub(super) fn wait(&self, max_wait: Option<Duration>) -> Duration {
        effective_wait(max_wait, self.time_left)
    }
}

impl SupervisorService {
    /// Takes a request apart; `reason` is the caller's reason.
    ///
    /// # Errors
    /// A violation of `reason` if it is too long or has hidden characters; a request without a permit.
    pub(super) fn call<T>(
        &self,
        request: Request<T>,
        reason: impl FnOnce(&T) -> &str,
    ) -> Result<(Call, T), Failure> {
        let reason = reason(request.get_ref()).to_owned();
        let mut violations = Violations::new();
        parse::check_reason(&reason, &mut violations);
        violations.into_result()?;
        let permit = permit(&request)?;
        let request_id = request_id::of(request.metadata().as_ref());
        let identity = permit.identity().label();
        let cause = Cause { source: Source::Caller, request_id, reason, identity };
        let (manager, sight) = (self.lifecycle.on_behalf_of(cause), Sight::of(&permit));
        let call = Call { manager, permit, sight, time_left: time_left(request.metadata()) };
        Ok((call, request.into_inner()))
    }
}

impl SupervisorService {
    /// Makes a call of one that another supervisor has passed on. Whoever asked that supervisor may make it; who may see what of
    /// its answer is decided there. `rpc` is the call of the contract whose rule holds.
    pub(super) fn passed_on(&self, passed: &NodeCall, rpc: &str) -> Result<Call, Failure> {
        let rule = rule_of(rpc).ok_or_else(|| Failure::no_such_call(rpc))?;
        let permit = Permit::new(Arc::new(Identity::local()), rule);
        let cause = Cause {
            source: Source::Caller,
            request_id: passed.request_id.clone(),
            reason: passed.reason.clone(),
            identity: passed.identity.clone(),
        };
        let (manager, sight) = (self.lifecycle.on_behalf_of(cause), Sight::of(&permit));
        Ok(Call { manager, permit, sight, time_left: passed.wait_millis.map(Duration::from_millis) })
    }
}

/// The reason of a call whose request has no field for one.
pub(super) fn no_reason<T>(_: &T) -> &str {
    ""
}
