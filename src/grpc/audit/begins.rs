//! The layer that notes a call before its handler.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either, FutureExt};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use sha2::{Digest, Sha256};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

use super::slot::{Slot, peer_name};
use super::target::target;
use crate::domain::access::{IdentityKind, Permit};
use crate::grpc::limits::MAX_MESSAGE_BYTES;
use crate::grpc::peer::Peer;
use crate::grpc::status::Failure;
use crate::ports::audit::{AuditLog, AuditTarget, AuditedCall};

/// Bytes in front of a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Calls that change nothing. Every other one is a change, also one that this list does not know yet.
const READS: [&str; 20] = [
    "GetServerInfo",
    "GetActor",
    "ListActors",
    "StreamActorLogs",
    "ListScriptTypes",
    "GetScriptType",
    "GetQueue",
    "ListQueues",
    "ListNodes",
    "CheckHealth",
    "WatchHealth",
    "AwaitJob",
    "GetJob",
    "ExplainJob",
    "ListJobs",
    "WatchJob",
    "WatchEvents",
    "ListEvents",
    "ListIdentities",
    "ListAuditEntries",
];

/// Notes calls that are let through.
#[derive(Clone)]
pub(crate) struct AuditBegins(pub(crate) Arc<dyn AuditLog>);

impl<S> Layer<S> for AuditBegins {
    type Service = AuditBeginsService<S>;

    fn layer(&self, inner: S) -> AuditBeginsService<S> {
        AuditBeginsService { log: Arc::clone(&self.0), inner }
    }
}

/// The service of [`AuditBegins`].
#[derive(Clone)]
pub(crate) struct AuditBeginsService<S> {
    log: Arc<dyn AuditLog>,
    inner: S,
}

type Answer = Result<Response<Body>, Infallible>;

impl<S> Service<Request<Body>> for AuditBeginsService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Answer>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let extensions = request.extensions();
        let (Some(permit), Some(slot)) =
            (extensions.get::<Permit>().cloned(), extensions.get::<Slot>().cloned())
        else {
            return Either::Left(self.inner.call(request));
        };
        let call = call_of(&request, &permit, &slot);
        // A load balancer asks for health each second, and reflection needs more than one request.
        let is_ours = !permit.rpc().contains('/');
        if !is_ours || !(call.changes || self.log.notes_reads()) {
            slot.admit(Arc::new(call));
            return Either::Left(self.inner.call(request));
        }
        // The one that is ready is used up, and its clone is for the next call.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        Either::Right(noted(inner, Arc::clone(&self.log), slot, call, request).boxed())
    }
}

/// Notes a call, and lets its handler run.
async fn noted<S>(
    mut inner: S,
    log: Arc<dyn AuditLog>,
    slot: Slot,
    mut call: AuditedCall,
    request: Request<Body>,
) -> Answer
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let (parts, body) = request.into_parts();
    let message = match Limited::new(body, MAX_MESSAGE_BYTES + PREFIX).collect().await {
        Ok(message) => message.to_bytes(),
        Err(error) => {
            let failure = match error.downcast::<LengthLimitError>() {
                Ok(_too_long) => Failure::request_too_large(MAX_MESSAGE_BYTES),
                Err(error) => Failure::malformed(&error.to_string()),
            };
            return Ok(Status::from(failure).into_http());
        }
    };
    let content = message.get(PREFIX..).unwrap_or_default();
    call.target = target(call.rpc, content);
    call.params = Some(Sha256::digest(content).into());
    match log.received(Arc::new(call)).await {
        Ok(entry) => slot.open(entry),
        Err(cause) => return Ok(Status::from(Failure::audit_unavailable(&cause.to_string())).into_http()),
    }
    let body = Body::new(Full::<Bytes>::new(message).map_err(|never| match never {}));
    inner.call(Request::from_parts(parts, body)).await
}

fn call_of(request: &Request<Body>, permit: &Permit, slot: &Slot) -> AuditedCall {
    let identity = permit.shared_identity();
    AuditedCall {
        identity: (identity.kind != IdentityKind::Anonymous).then_some(identity),
        peer: peer_name(request.extensions().get::<Peer>()),
        rpc: permit.rpc(),
        changes: !READS.contains(&permit.rpc()),
        request_id: slot.request_id(),
        target: AuditTarget::default(),
        params: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptors::call_names;

    #[test]
    fn a_call_is_a_read_by_its_name_or_changes_something() {
        for rpc in call_names() {
            let reads = ["Get", "List", "Watch", "Stream", "Await", "Explain", "CheckHealth"];
            let looks = reads.iter().any(|begin| rpc.starts_with(begin));
            assert_eq!(READS.contains(&rpc), looks, "{rpc}");
        }
    }
}
