//! gRPC-Web, for callers in browsers: HTTP/1.1 as well as HTTP/2, and only from the origins that were named.
//!
//! A browser says with each such request from which page it comes. A page that was not named is refused before anything
//! is done, also where no preflight is asked for (a name that an attacker lets point at this machine is the same
//! origin to the browser). Who sends no origin is no browser, and is treated like every caller.

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

/// Stands for any page.
const ANY: &str = "*";
/// How long browsers need not ask again.
const PREFLIGHT_AGE: Duration = Duration::from_secs(24 * 3600);
/// What a page may read of an answer.
const EXPOSED: [&str; 3] = ["grpc-status", "grpc-message", "grpc-status-details-bin"];

/// What stands before the service when pages may call it; the first one is met first.
pub(crate) type WebLayer = (OriginLayer, CorsLayer, GrpcWebLayer);

/// The layers for these origins; none without any.
pub(crate) fn layer(origins: &[String]) -> Option<WebLayer> {
    if origins.is_empty() {
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

/// Refuses pages that were not named.
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

/// See [`OriginLayer`].
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
