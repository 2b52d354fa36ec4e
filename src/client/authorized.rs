//! The headers that every call carries: those of the caller's options, and the token.

use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::http::{HeaderMap, Request};
use tower::Service;

use super::token::Token;

/// The headers, and the token.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    pub(super) headers: Arc<HeaderMap>,
    pub(super) token: Option<Arc<Token>>,
}

/// A server whose calls carry the credentials. A header that a call has already stays as it is.
#[derive(Clone)]
pub(crate) struct Authorized<S> {
    server: S,
    credentials: Credentials,
}

impl<S> Authorized<S> {
    pub(crate) fn new(server: S, credentials: Credentials) -> Self {
        Self { server, credentials }
    }
}

impl<S, B> Service<Request<B>> for Authorized<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.server.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let headers = request.headers_mut();
        for name in self.credentials.headers.keys() {
            if headers.contains_key(name) {
                continue;
            }
            for value in self.credentials.headers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        if let Some(token) = &self.credentials.token {
            headers.entry(AUTHORIZATION).or_insert_with(|| token.header());
        }
        self.server.call(request)
    }
}

impl<S> std::fmt::Debug for Authorized<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorized").field("token", &self.credentials.token.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn a_call_carries_the_headers_and_the_token_but_not_over_its_own() {
        let mut headers = HeaderMap::new();
        headers.append("x-tenant", "a".parse().unwrap());
        headers.append("x-tenant", "b".parse().unwrap());
        headers.append("x-own", "option".parse().unwrap());
        let token = Token::of_text("hst_1").unwrap();
        let credentials = Credentials { headers: Arc::new(headers), token: Some(Arc::new(token)) };
        let seen = service_fn(async |request: Request<()>| Ok::<_, Infallible>(request.headers().clone()));
        let server = Authorized::new(seen, credentials);
        let call = Request::builder().header("x-own", "call").body(()).unwrap();
        let carried = server.clone().oneshot(call).await.unwrap();
        assert_eq!(carried["authorization"], "Bearer hst_1");
        assert_eq!(carried["x-own"], "call");
        assert!(carried.get_all("x-tenant").iter().eq(["a", "b"]));
        let call = Request::builder().header("authorization", "Bearer own").body(()).unwrap();
        let carried = server.oneshot(call).await.unwrap();
        assert!(carried.get_all("authorization").iter().eq(["Bearer own"]));
    }
}
