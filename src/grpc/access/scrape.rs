//! Access to the metrics: for identities that may see actors and queues, by the same credentials as calls of gRPC.

use std::fmt;
use std::sync::Arc;

use tonic::codegen::http::HeaderMap;

use super::credentials;
use super::failed_logins::FailedLogins;
use crate::domain::access::{Denied, Permit, Rule, Target, rule_of};
use crate::grpc::peer::Peer;
use crate::ports::authenticator::{Authenticator, Rejection};

/// The call whose rule is that of the metrics, which have names and counts of actors and queues.
const LIKE: &str = "ListActors";
/// Name of what is read, for the log.
const WHAT: &str = "/metrics";

/// Decides about scrapes. A cheap clone.
#[derive(Clone)]
pub(crate) struct ScrapeAccess {
    authenticator: Arc<dyn Authenticator>,
    failed: FailedLogins,
}

/// Reason for which a scrape is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScrapeRefusal {
    /// The scrape has no token that is accepted.
    NotKnown,
    /// The caller is known and is no viewer.
    NotAllowed,
}

impl ScrapeAccess {
    /// Makes a decision that asks `authenticator` about each scrape.
    pub(crate) fn new(authenticator: Arc<dyn Authenticator>) -> Self {
        Self { authenticator, failed: FailedLogins::default() }
    }

    /// Lets a scrape through.
    ///
    /// # Errors
    /// A refusal; a token that is not accepted is answered late when its address has failed often.
    pub(crate) async fn admit(&self, headers: &HeaderMap, peer: &Peer) -> Result<(), ScrapeRefusal> {
        let shown = credentials::of(headers, Some(peer));
        let rejection = match shown.and_then(|shown| self.authenticator.authenticate(shown)) {
            Ok(verified) => {
                let rule: &'static Rule = rule_of(LIKE).ok_or(ScrapeRefusal::NotAllowed)?;
                match Permit::new(verified.identity, rule).decide(Target::Call) {
                    Ok(_allowed) => return Ok(()),
                    Err(Denied::NoCredentials) => Rejection::Missing,
                    Err(_denied) => return Err(ScrapeRefusal::NotAllowed),
                }
            }
            Err(rejection) => rejection,
        };
        self.failed.note(Some(peer), WHAT, rejection).await;
        Err(ScrapeRefusal::NotKnown)
    }
}

impl fmt::Debug for ScrapeAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeAccess").finish_non_exhaustive()
    }
}
