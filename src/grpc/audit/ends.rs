//! The layer that notes how a call has ended: by its answer, by the end of its stream, or because its caller has left.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::{Layer, Service};

use super::slot::Slot;
use crate::grpc::observed_body::{ObservedBody, StatusObserver};
use crate::grpc::request_id;
use crate::grpc_code;
use crate::ports::audit::{AuditLog, AuditedEnd};

/// Notes the ends of calls.
#[derive(Clone)]
pub(crate) struct AuditEnds(pub(crate) Arc<dyn AuditLog>);

impl<S> Layer<S> for AuditEnds {
    type Service = AuditEndsService<S>;

    fn layer(&self, inner: S) -> AuditEndsService<S> {
        AuditEndsService { log: Arc::clone(&self.0), inner }
    }
}

/// The service of [`AuditEnds`].
#[derive(Clone)]
pub(crate) struct AuditEndsService<S> {
    log: Arc<dyn AuditLog>,
    inner: S,
}

impl<S> Service<Request<Body>> for AuditEndsService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let slot = Slot::new(request_id::of(request.headers()));
        request.extensions_mut().insert(slot.clone());
        let begun = Instant::now();
        let mut ending = Ending { log: Arc::clone(&self.log), slot, begun, end: None, job_ids: Vec::new() };
        let answer = self.inner.call(request);
        async move {
            let response = answer.await?;
            ending.observe(response.headers());
            Ok(response.map(|inner| Body::new(ObservedBody::new(inner, ending))))
        }
        .boxed()
    }
}

/// A call whose end is noted when this is dropped.
struct Ending {
    log: Arc<dyn AuditLog>,
    slot: Slot,
    begun: Instant,
    /// Code and reason, as soon as they are known.
    end: Option<(Code, Option<String>)>,
    job_ids: Vec<String>,
}

impl StatusObserver for Ending {
    fn observe(&mut self, headers: &HeaderMap) {
        let Some(status) = Status::from_header_map(headers) else { return };
        if status.code() == Code::Ok {
            self.end = Some((Code::Ok, None));
            return;
        }
        let details = status.get_error_details();
        let info = details.error_info();
        if let Some(job) = info.and_then(|info| info.metadata.get("job_id")) {
            self.job_ids = vec![job.clone()];
        }
        self.end = Some((status.code(), info.map(|info| info.reason.clone())));
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        // Without a code the caller has left.
        let (code, reason) = self.end.take().unwrap_or((Code::Cancelled, None));
        let job_ids = std::mem::take(&mut self.job_ids);
        let (code, took) = (grpc_code::name(code), self.begun.elapsed());
        self.slot.end(&*self.log, AuditedEnd { code, reason, cause: None, job_ids, took });
    }
}
