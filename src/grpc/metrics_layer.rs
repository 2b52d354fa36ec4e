//! Counts, times and traces calls, from the first byte of the request to the end of the response.
//!
//! A gRPC response has its status in the trailers, or in the headers if there is no body. A stream that its caller
//! has left is counted as CANCELLED, because its trailers are never read.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use metrics::{counter, gauge, histogram};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::domain::model::job::Job;
use crate::grpc::identity_names::IdentityNames;
use crate::grpc::observed_body::{ObservedBody, StatusObserver};
use crate::grpc_code;
use crate::telemetry::metrics::{
    GRPC_DURATION, GRPC_IN_FLIGHT, GRPC_REQUESTS, IDENTITY_REQUESTS, JOB_DURATION, JOB_WAIT, installed,
    seconds,
};
use crate::telemetry::traces::{self, TRACEPARENT};

/// Longest method name. Callers can send any path, and each name becomes a time series.
const LONGEST_METHOD: usize = 64;

/// Measures calls if metrics or traces are on.
#[derive(Debug, Clone, Default)]
pub(crate) struct MetricsLayer {
    names: IdentityNames,
}

impl<S> Layer<S> for MetricsLayer {
    type Service = MetricsService<S>;

    fn layer(&self, inner: S) -> MetricsService<S> {
        MetricsService { inner, counting: installed() || traces::started(), names: self.names.clone() }
    }
}

/// The service of [`MetricsLayer`].
#[derive(Debug, Clone)]
pub(crate) struct MetricsService<S> {
    inner: S,
    counting: bool,
    names: IdentityNames,
}

impl<S> Service<Request<Body>> for MetricsService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = futures::future::Either<S::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if !self.counting {
            return futures::future::Either::Left(self.inner.call(request));
        }
        let method = method(request.uri().path());
        let parent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let span = traces::call(&method, parent);
        if let Some(span) = &span {
            request.extensions_mut().insert(CallContext(span.traceparent()));
        }
        let call = CallMetrics::begin(method, span);
        let names = self.names.clone();
        let answer = self.inner.call(request);
        futures::future::Either::Right(Box::pin(async move {
            let response = answer.await?;
            let mut call = call;
            if let Some(CalledBy(identity)) = response.extensions().get() {
                call.called_by(identity, &names);
            }
            call.observe(response.headers());
            Ok(response.map(|inner| Body::new(ObservedBody::new(inner, call))))
        }))
    }
}

/// Returns the name of a call of the contract, the name of another known service, or `other`.
fn method(path: &str) -> String {
    let known = path.strip_prefix("/hero.supervisor.v1.Supervisor/").or_else(|| path.strip_prefix("/grpc."));
    match known {
        Some(name) if name.len() <= LONGEST_METHOD && crate::descriptors::is_call(name) => name.to_owned(),
        Some(_) if path.starts_with("/grpc.health.v1.Health/") => "health".to_owned(),
        Some(_) if path.starts_with("/grpc.reflection.") => "reflection".to_owned(),
        Some(_) | None => "other".to_owned(),
    }
}

/// The measurement of one call, recorded when this is dropped.
struct CallMetrics {
    method: String,
    begun: Instant,
    code: Option<Code>,
    span: Option<traces::Call>,
    /// Label of who has called, where an identity has.
    identity: Option<String>,
}

/// The identity that has made a call, in the extensions of its response.
#[derive(Debug, Clone)]
pub(crate) struct CalledBy(pub(crate) String);

/// The trace context of a call's span, passed to the handler.
#[derive(Debug, Clone)]
struct CallContext(String);

/// Returns the trace context for the work of a call: that of its span, or the one of the request.
pub(crate) fn traceparent<T>(request: &tonic::Request<T>) -> Option<String> {
    if let Some(CallContext(own)) = request.extensions().get() {
        return Some(own.clone());
    }
    let came_with = request.metadata().get(TRACEPARENT)?.to_str().ok()?;
    traces::valid(came_with).map(str::to_owned)
}

impl CallMetrics {
    fn begin(method: String, span: Option<traces::Call>) -> Self {
        gauge!(GRPC_IN_FLIGHT, "method" => method.clone()).increment(1.0);
        Self { method, begun: Instant::now(), code: None, span, identity: None }
    }

    fn called_by(&mut self, identity: &str, names: &IdentityNames) {
        self.identity = Some(names.label(identity));
        if let Some(span) = &mut self.span {
            span.called_by(identity);
        }
    }
}

impl StatusObserver for CallMetrics {
    fn observe(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.code = Some(status.code());
        }
    }
}

impl Drop for CallMetrics {
    fn drop(&mut self) {
        let method = std::mem::take(&mut self.method);
        let code = self.code.unwrap_or(Code::Cancelled);
        if let Some(span) = &mut self.span {
            span.ended(grpc_code::name(code), is_ours(code));
        }
        gauge!(GRPC_IN_FLIGHT, "method" => method.clone()).decrement(1.0);
        histogram!(GRPC_DURATION, "method" => method.clone()).record(seconds(self.begun.elapsed()));
        if let Some(identity) = self.identity.take() {
            counter!(IDENTITY_REQUESTS, "identity" => identity, "code" => grpc_code::name(code)).increment(1);
        }
        counter!(GRPC_REQUESTS, "method" => method, "code" => grpc_code::name(code)).increment(1);
    }
}

/// Measures a job whose end is returned to a caller.
pub(crate) fn job_ended(job: &Job) {
    let script_type = job.spec.script_type.as_str();
    let span = |from, to: Option<std::time::SystemTime>| to?.duration_since(from).ok();
    if let Some(started) = job.started_at {
        if let Some(ran) = span(started, job.finished_at) {
            histogram!(JOB_DURATION, "script_type" => script_type, "state" => job.state.as_str())
                .record(seconds(ran));
        }
        if job.attempt == 1
            && let Some(waited) = span(job.created_at, Some(started))
        {
            histogram!(JOB_WAIT, "script_type" => script_type).record(seconds(waited));
        }
    }
}

/// Returns true for a code that means a failure of the server, and not a refusal or a caller that has left.
fn is_ours(code: Code) -> bool {
    match code {
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_that_exist_become_time_series() {
        let table = [
            ("/hero.supervisor.v1.Supervisor/RunJob", "RunJob"),
            ("/hero.supervisor.v1.Supervisor/Nonsense", "other"),
            ("/grpc.health.v1.Health/Check", "health"),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "reflection"),
            ("/x", "other"),
        ];
        for (path, name) in table {
            assert_eq!(method(path), name, "{path}");
        }
    }
}
