//! gRPC-Web for callers in browsers: over HTTP/1.1 and HTTP/2, and only from the configured origins.
//!
//! A browser names the origin of the page in each such request. A page of another origin is refused before anything
//! is done, also without a preflight: a name that an attacker points at this machine is the same origin for the
//! browser. A request without an origin does not come from a browser and is treated like any other.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, Ready, ready};
use tonic::body::Body;
use tonic::codegen::http::header::{HeaderName, ORIGIN};
use tonic::codegen::http::{HeaderValue, Method, Request, Response, StatusCode};
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// Matches any origin.
const ANY: &str = "*";
/// Time for which browsers cache a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(24 * 3600);
/// Response headers that pages may read.
const EXPOSED: [&str; 3] = ["grpc-status", "grpc-message", "grpc-status-details-bin"];

/// The layers before the service, the outermost first.
pub(crate) type WebLayer = (OriginLayer, CorsLayer, GrpcWebLayer);

/// Makes the layers for these origins; None without any, unless there is a dashboard.
pub(crate) fn layer(origins: &[String], dashboard: bool) -> Option<WebLayer> {
    if origins.is_empty() && !dashboard {
        return None;
    }
    let any = origins.iter().any(|origin| origin == ANY);
    let allowed: Arc<[HeaderValue]> =
        origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    let cors = CorsLayer::new()
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .allow_origin(if any { AllowOrigin::any() } else { AllowOrigin::list(allowed.iter().cloned()) })
        .expose_headers(EXPOSED.map(HeaderName::from_static))
        .max_age(PREFLIGHT_AGE);
    Some((OriginLayer { any, allowed }, cors, GrpcWebLayer::new()))
}

/// Refuses pages of other origins.
#[derive(Debug, Clone)]
pub(crate) struct OriginLayer {
    any: bool,
    allowed: Arc<[HeaderValue]>,
}

impl<S> Layer<S> for OriginLayer {
    type Service = OriginGate<S>;

    fn layer(&self, inner: S) -> OriginGate<S> {
        OriginGate { rule: self.clone(), inner }
    }
}

/// The service of [`OriginLayer`].
#[derive(Debug, Clone)]
pub(crate) struct OriginGate<S> {
    rule: OriginLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for OriginGate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let origin = request.headers().get(ORIGIN);
        if self.rule.any || origin.is_none_or(|origin| self.rule.allowed.contains(origin)) {
            return Either::Left(self.inner.call(request));
        }
        let mut refused = Response::new(Body::new("this origin is not among grpc_web_origins\n".to_owned()));
        *refused.status_mut() = StatusCode::FORBIDDEN;
        Either::Right(ready(Ok(refused)))
    }
}
