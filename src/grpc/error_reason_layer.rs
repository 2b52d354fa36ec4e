//! Gives a reason to the errors of tonic, which come before a handler is called: a request that is too long, a
//! malformed message, and an unknown call.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::future::{Either, MapOk, TryFutureExt};
use tonic::body::Body;
use tonic::codegen::http::header::CONTENT_LENGTH;
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::grpc::limits::MAX_MESSAGE_BYTES;
use crate::grpc::status::Failure;

/// Path prefix of the calls of the contract; other services have rules of their own.
const OURS: &str = "/hero.supervisor.";

/// Adds [`ErrorReasonService`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorReasonLayer;

impl<S> Layer<S> for ErrorReasonLayer {
    type Service = ErrorReasonService<S>;

    fn layer(&self, inner: S) -> ErrorReasonService<S> {
        ErrorReasonService { inner }
    }
}

/// The service of [`ErrorReasonLayer`].
#[derive(Debug, Clone)]
pub(crate) struct ErrorReasonService<S> {
    inner: S,
}

type Explain = fn(Response<Body>) -> Response<Body>;

impl<S> Service<Request<Body>> for ErrorReasonService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, MapOk<S::Future, Explain>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let ours = request.uri().path().starts_with(OURS);
        let answer = self.inner.call(request);
        if ours { Either::Right(answer.map_ok(explained as Explain)) } else { Either::Left(answer) }
    }
}

/// Returns the response, with a reason if it is an error without one. Errors of handlers have a reason; errors of
/// tonic have none.
fn explained(mut response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    if !status.details().is_empty() {
        return response;
    }
    let failure = match status.code() {
        Code::OutOfRange => Failure::request_too_large(MAX_MESSAGE_BYTES),
        Code::Internal => Failure::malformed(status.message()),
        Code::Unimplemented => Failure::no_such_call(status.message()),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => return response,
    };
    // Other headers stay, for instance the supported compressions.
    let headers = response.headers_mut();
    for name in [Status::GRPC_STATUS, Status::GRPC_MESSAGE, Status::GRPC_STATUS_DETAILS, CONTENT_LENGTH] {
        headers.remove(name);
    }
    if let Err(error) = Status::from(failure).add_header(headers) {
        tracing::debug!(%error, "grpc: error without reason (its headers could not be written)");
    }
    response
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn told(status: Status, path: &'static str) -> (Code, String) {
        let refusing = tower::service_fn(move |_: Request<Body>| {
            let status = status.clone();
            async move { Ok::<_, Infallible>(status.into_http::<Body>()) }
        });
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let answer = futures::executor::block_on(ErrorReasonLayer.layer(refusing).call(request)).unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
        (status.code(), reason.unwrap_or_default())
    }

    #[test]
    fn what_tonic_refuses_gets_a_reason_and_everything_else_is_left_alone() {
        const CALL: &str = "/hero.supervisor.v1.Supervisor/GetJob";
        let ours = Status::from(Failure::selector_required());
        let table = [
            (Status::out_of_range("too long"), CALL, Code::ResourceExhausted, "REQUEST_TOO_LARGE"),
            (Status::internal("buffer underflow"), CALL, Code::InvalidArgument, "REQUEST_MALFORMED"),
            (Status::unimplemented(""), CALL, Code::Unimplemented, "NOT_SUPPORTED"),
            (Status::cancelled("late"), CALL, Code::Cancelled, ""),
            (Status::internal("x"), "/grpc.health.v1.Health/Check", Code::Internal, ""),
            (ours, CALL, Code::InvalidArgument, "SELECTOR_REQUIRED"),
        ];
        for (status, path, code, reason) in table {
            let text = status.to_string();
            assert_eq!(told(status, path), (code, reason.to_owned()), "{text}");
        }
    }
}
