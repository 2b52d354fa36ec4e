//! The dashboard: pages for people, on an address of its own that also serves the calls that they make.
//!
//! The files lie compressed in the program. A connection to the address of the dashboard gets them for GET and HEAD; everything
//! else is a call, which goes the way of every call, through authentication as well. Page and calls have the same origin, so a
//! page of another origin is refused, and a name that an attacker points at this machine is, too.

mod files;
mod sessions;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, ORIGIN, SET_COOKIE,
};
use tonic::codegen::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use tower::{Layer, Service};

use crate::grpc::hosts::Hosts;
use crate::grpc::peer::Peer;

pub(crate) use sessions::{CODE_LIFE, Sessions, Shown};

/// Path by which a session is opened (POST) and ended (DELETE).
const SESSION: &str = "/session";
/// Header with the code that opens a session.
const LOGIN_CODE: &str = "x-login-code";

/// Answers requests for pages, and lets calls through.
#[derive(Debug, Clone)]
pub(crate) struct DashboardLayer {
    hosts: Arc<Hosts>,
    sessions: Sessions,
}

impl DashboardLayer {
    /// Answers under these names, and to callers with a session.
    pub(crate) fn new(hosts: Hosts, sessions: Sessions) -> Self {
        Self { hosts: Arc::new(hosts), sessions }
    }
}

impl<S> Layer<S> for DashboardLayer {
    type Service = Dashboard<S>;

    fn layer(&self, inner: S) -> Dashboard<S> {
        Dashboard { hosts: Arc::clone(&self.hosts), sessions: self.sessions.clone(), inner }
    }
}

/// The service of [`DashboardLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Dashboard<S> {
    hosts: Arc<Hosts>,
    sessions: Sessions,
    inner: S,
}

impl<S> Service<Request<Body>> for Dashboard<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(peer) = request.extensions().get::<Peer>().filter(|peer| peer.dashboard) else {
            return Either::Left(self.inner.call(request));
        };
        // No browser can open a unix socket; a proxy in front of it has names of its own.
        let is_open = peer.address.is_some();
        if let Some(refusal) = refusal(&self.hosts, is_open, request.uri(), request.headers()) {
            return Either::Right(ready(Ok(refused(refusal))));
        }
        if *request.method() == Method::GET || *request.method() == Method::HEAD {
            let response = files::response(request.method(), request.uri().path(), request.headers());
            return Either::Right(ready(Ok(response)));
        }
        if request.uri().path() == SESSION {
            let is_encrypted = peer.tls || is_forwarded_from_https(request.headers());
            let response = session(&self.sessions, request.method(), request.headers(), is_encrypted);
            return Either::Right(ready(Ok(response)));
        }
        // The user at the other end of a unix socket is that of a proxy, and not who looks at the page.
        let mut peer = Peer { unix: None, ..peer.clone() };
        // Whoever shows a token means that one.
        if !request.headers().contains_key(AUTHORIZATION)
            && let Some(shown) = self.sessions.shown(request.headers(), Instant::now())
        {
            shown.show(request.headers_mut(), &mut peer);
        }
        request.extensions_mut().insert(peer);
        request.headers_mut().remove(COOKIE);
        // It is that of the page, which needs no entry among the origins of other pages.
        request.headers_mut().remove(ORIGIN);
        Either::Left(self.inner.call(request))
    }
}

/// Opens a session by the code in a header, or ends one.
///
/// No page of another site can send the header, and the browser sends the cookie with requests of this site alone.
fn session(sessions: &Sessions, method: &Method, headers: &HeaderMap, is_encrypted: bool) -> Response<Body> {
    let now = Instant::now();
    let cookie = if *method == Method::POST {
        let code = headers.get(LOGIN_CODE).and_then(|code| code.to_str().ok()).unwrap_or_default();
        sessions.open(code, is_encrypted, now)
    } else if *method == Method::DELETE {
        Some(sessions.close(headers, is_encrypted, now))
    } else {
        None
    };
    let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) else {
        let told = "this code is not good, any more: ask for another one with hero-supervisor dashboard\n";
        return told_as(StatusCode::FORBIDDEN, told);
    };
    let mut response = told_as(StatusCode::OK, "");
    response.headers_mut().insert(SET_COOKIE, cookie);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns true behind a proxy that has taken the encryption off.
fn is_forwarded_from_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https")
}

/// A reason to refuse a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The name of the server is none of its own.
    Host,
    /// The request comes from a page of another origin.
    Origin,
}

/// Returns the reason to refuse a request; None if it is allowed.
fn refusal(hosts: &Hosts, is_open: bool, uri: &Uri, headers: &HeaderMap) -> Option<Refusal> {
    // HTTP/2 has it in the URI, HTTP/1.1 in a header.
    let named = uri.authority().map(|authority| authority.as_str());
    let host = named.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok())).unwrap_or_default();
    if is_open && !hosts.has(host) {
        return Some(Refusal::Host);
    }
    let origin = headers.get(ORIGIN)?;
    let authority =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_scheme, host)| host);
    (authority != Some(host)).then_some(Refusal::Origin)
}

fn refused(refusal: Refusal) -> Response<Body> {
    let (code, text) = match refusal {
        Refusal::Host => (StatusCode::MISDIRECTED_REQUEST, "this host name is not among dashboard_hosts\n"),
        Refusal::Origin => (StatusCode::FORBIDDEN, "calls from pages of another origin are refused\n"),
    };
    told_as(code, text)
}

fn told_as(code: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::new(text.to_owned()));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A URI, the headers beside it, and the reason to refuse them.
    type Row = (&'static str, &'static [Header], Option<Refusal>);
    type Header = (&'static str, &'static str);

    fn decide(uri: &'static str, headers: &[Header]) -> Option<Refusal> {
        let hosts = Hosts(vec!["node-1".to_owned()]);
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<tonic::codegen::http::HeaderName>().unwrap(), HeaderValue::from_static(value))
        });
        refusal(&hosts, true, &Uri::from_static(uri), &headers.collect())
    }

    #[test]
    fn pages_of_others_are_refused_whatever_name_they_use() {
        let rows: [Row; 9] = [
            ("/", &[("host", "127.0.0.1:9465")], None),
            ("/", &[("host", "node-1:9465")], None),
            ("/", &[("host", "evil.example:9465")], Some(Refusal::Host)),
            ("/", &[], Some(Refusal::Host)),
            ("/", &[("host", "localhost:9465"), ("origin", "http://localhost:9465")], None),
            ("/", &[("host", "localhost:9465"), ("origin", "http://localhost:3000")], Some(Refusal::Origin)),
            ("/", &[("host", "localhost:9465"), ("origin", "null")], Some(Refusal::Origin)),
            ("http://localhost:9465/", &[("origin", "http://localhost:9465")], None),
            ("http://evil.example/", &[("host", "localhost")], Some(Refusal::Host)),
        ];
        for (uri, headers, expected) in rows {
            assert_eq!(decide(uri, headers), expected, "{uri} {headers:?}");
        }
    }
}
