//! The layer that gives each request its permit, or refuses it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either, FutureExt, Ready, ready};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

use super::credentials;
use super::failed_logins::FailedLogins;
use super::guard::guarded;
use super::rates::Rates;
use crate::domain::access::{Anonymous, Denied, Identity, Permit, RULES, Rule, Target};
use crate::grpc::audit;
use crate::grpc::metrics_layer::CalledBy;
use crate::grpc::peer::Peer;
use crate::grpc::status::Failure;
use crate::ports::authenticator::{Authenticator, Credentials, Proof, Rejection, Verified};

/// The rows of the table by path.
static BY_PATH: LazyLock<HashMap<String, &'static Rule>> = LazyLock::new(|| {
    let path = |rpc: &str| match rpc.contains('/') {
        true => format!("/{rpc}"),
        false => format!("/hero.supervisor.v1.Supervisor/{rpc}"),
    };
    RULES.iter().map(|rule| (path(rule.rpc), rule)).collect()
});

/// Gives each request its permit.
#[derive(Clone)]
pub(crate) struct AccessLayer {
    authenticator: Arc<dyn Authenticator>,
    failed: FailedLogins,
    rates: Rates,
}

impl AccessLayer {
    /// Makes a layer that asks `authenticator` about each request.
    pub(crate) fn new(authenticator: Arc<dyn Authenticator>) -> Self {
        Self { authenticator, failed: FailedLogins::default(), rates: Rates::default() }
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = AccessService<S>;

    fn layer(&self, inner: S) -> AccessService<S> {
        AccessService { access: self.clone(), inner }
    }
}

/// The service of [`AccessLayer`].
#[derive(Debug, Clone)]
pub(crate) struct AccessService<S> {
    access: AccessLayer,
    inner: S,
}

type Answer = Result<Response<Body>, Infallible>;

impl<S> Service<Request<Body>> for AccessService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Either<BoxFuture<'static, Answer>, Ready<Answer>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(rule) = BY_PATH.get(request.uri().path()).copied() else {
            return Either::Right(Either::Right(ready(refused(Failure::no_such_call("")))));
        };
        let verified = match self.access.admit(&request, rule) {
            Ok(verified) => verified,
            Err(Refusal::Denied(failure)) => return Either::Right(Either::Right(ready(refused(*failure)))),
            Err(Refusal::Rejected(rejection)) => {
                audit::refused(request.extensions(), rule.rpc, None, rejection.as_str());
                let peer = request.extensions().get::<Peer>().cloned();
                let failed = self.access.failed.clone();
                let late = async move {
                    failed.note(peer.as_ref(), rule.rpc, rejection).await;
                    refused(Failure::token_invalid())
                };
                return Either::Right(Either::Left(late.boxed()));
            }
        };
        request.extensions_mut().insert(Permit::new(Arc::clone(&verified.identity), rule));
        let answer = self.inner.call(request);
        let Some(label) = verified.identity.label() else { return Either::Left(answer) };
        let authenticator = Arc::clone(&self.access.authenticator);
        let answer = async move {
            let lasts = verified.proof == Proof::Lasting && verified.identity.not_after.is_none();
            let mut response =
                if lasts { answer.await? } else { guarded(answer, authenticator, verified).await? };
            response.extensions_mut().insert(CalledBy(label));
            Ok(response)
        };
        Either::Right(Either::Left(answer.boxed()))
    }
}

/// Reason for which a request does not get through.
enum Refusal {
    /// The caller is known and may not make the call.
    Denied(Box<Failure>),
    /// The token is not accepted, or there is none.
    Rejected(Rejection),
}

impl AccessLayer {
    fn anybody(&self) -> Verified {
        let anonymous = self.authenticator.authenticate(Credentials::default());
        anonymous.unwrap_or_else(|_rejection| Verified {
            identity: Arc::new(Identity::anonymous(Vec::new())),
            proof: Proof::Lasting,
        })
    }

    fn admit(&self, request: &Request<Body>, rule: &'static Rule) -> Result<Verified, Refusal> {
        let credentials = credentials::of(request.headers(), request.extensions().get::<Peer>());
        let verified = credentials.and_then(|shown| self.authenticator.authenticate(shown));
        let verified = match verified {
            Ok(verified) => verified,
            // Load balancers ask for health whatever they have been given.
            Err(_rejection) if rule.anonymous == Anonymous::Always => self.anybody(),
            Err(rejection) => return Err(Refusal::Rejected(rejection)),
        };
        let permit = Permit::new(Arc::clone(&verified.identity), rule);
        match permit.decide(Target::Call) {
            Ok(_allowed) => match self.rates.take(permit.identity(), Instant::now()) {
                Ok(()) => Ok(verified),
                Err(after) => Err(Refusal::Denied(Box::new(Failure::too_many_calls(&permit, after)))),
            },
            Err(Denied::NoCredentials) => Err(Refusal::Rejected(Rejection::Missing)),
            Err(denied) => {
                audit::refused(request.extensions(), rule.rpc, Some(verified.identity), denied.as_str());
                Err(Refusal::Denied(Box::new(Failure::denied(&permit, denied))))
            }
        }
    }
}

fn refused(failure: Failure) -> Answer {
    Ok(Status::from(failure).into_http())
}

impl fmt::Debug for AccessLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLayer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use tokio::sync::watch;

    use super::*;
    use crate::domain::access::{IdentityKind, Role};
    use crate::ports::authenticator::Everybody;

    /// Takes everybody for one user of this machine.
    struct OneUser(watch::Sender<u64>);

    impl Authenticator for OneUser {
        fn authenticate(&self, _: Credentials<'_>) -> Result<Verified, Rejection> {
            let identity = Arc::new(Identity::new(IdentityKind::Unix, "7", Role::Viewer));
            Ok(Verified { identity, proof: Proof::Lasting })
        }

        fn still_holds(&self, _: &Verified) -> bool {
            true
        }

        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn changes(&self) -> watch::Receiver<u64> {
            self.0.subscribe()
        }
    }

    /// Returns the label of the identity as the handler and the measurement see it.
    fn told(authenticator: Arc<dyn Authenticator>, rpc: &str) -> (Option<String>, Option<String>) {
        let handler = tower::service_fn(|request: Request<Body>| async move {
            let permit = request.extensions().get::<Permit>().unwrap().identity().to_string();
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert("seen", permit.parse().unwrap());
            Ok::<_, Infallible>(response)
        });
        let path = format!("/hero.supervisor.v1.Supervisor/{rpc}");
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let answer =
            futures::executor::block_on(AccessLayer::new(authenticator).layer(handler).call(request));
        let response = answer.unwrap();
        let seen = response.headers().get("seen").map(|seen| seen.to_str().unwrap().to_owned());
        (seen, response.extensions().get::<CalledBy>().map(|CalledBy(label)| label.clone()))
    }

    #[test]
    fn the_handler_has_the_permit_and_the_measurement_learns_who_called() {
        let user = || Arc::new(OneUser(watch::Sender::new(0)));
        let label = || Some("unix:7".to_owned());
        assert_eq!(told(user(), "ListActors"), (label(), label()));
        assert_eq!(told(user(), "StopActor"), (None, None), "refused before the handler");
        assert_eq!(told(user(), "Nonsense"), (None, None));
        // Where nobody has to show who it is, nothing is added.
        assert_eq!(told(Arc::new(Everybody::default()), "StopActor"), (Some("local".to_owned()), None));
    }
}
