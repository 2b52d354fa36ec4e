//! Finds out who calls, by everything that the configuration knows: tokens, certificates, users of this machine.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use tokio::sync::watch;

use crate::config::Config;
use crate::domain::access::{Identity, TokenFault, TokenTable, UnixRule, by_user};
use crate::ports::authenticator::{Authenticator, Credentials, Everybody, Proof, Rejection, Verified};
use crate::ports::clock::Clock;

/// The identities that a supervisor knows.
pub struct Identities {
    clock: Arc<dyn Clock>,
    anonymous: Verified,
    unix: Vec<UnixRule>,
    /// The user that runs this process.
    own_uid: u32,
    tokens: RwLock<Arc<TokenTable>>,
    changes: watch::Sender<u64>,
}

impl Identities {
    /// Makes the identities of a configuration, without tokens yet.
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        let anonymous = Identity::anonymous(config.auth.anonymous_calls());
        Self {
            clock,
            anonymous: lasting(anonymous),
            unix: config.auth.unix.clone(),
            own_uid: nix::unistd::geteuid().as_raw(),
            tokens: RwLock::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Takes other tokens from now on. Calls under way end if their token is gone or means something else.
    pub fn set_tokens(&self, tokens: TokenTable) {
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
        self.changes.send_modify(|number| *number += 1);
    }

    fn tokens(&self) -> Arc<TokenTable> {
        // The value is replaced as a whole, so a panic of another thread has broken nothing.
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn by_bearer(&self, text: &str) -> Result<Verified, Rejection> {
        let (identity, digest) = self.tokens().check(text, self.clock.now()).map_err(rejection)?;
        Ok(Verified { identity, proof: Proof::Secret(digest) })
    }
}

/// Returns the authenticator of a configuration, and the identities behind it unless everybody may do everything.
pub(super) fn authenticator(
    config: &Config,
    clock: Arc<dyn Clock>,
) -> (Arc<dyn Authenticator>, Option<Arc<Identities>>) {
    if !config.requires_auth() {
        return (Arc::new(Everybody::default()), None);
    }
    let identities = Arc::new(Identities::new(config, clock));
    (Arc::clone(&identities) as Arc<dyn Authenticator>, Some(identities))
}

impl Authenticator for Identities {
    fn authenticate(&self, credentials: Credentials<'_>) -> Result<Verified, Rejection> {
        if let Some(text) = credentials.bearer {
            return self.by_bearer(text);
        }
        if let Some((uid, gid)) = credentials.user
            && let Some(identity) = by_user(&self.unix, self.own_uid, uid, gid)
        {
            return Ok(lasting(identity));
        }
        Ok(self.anonymous.clone())
    }

    fn still_holds(&self, verified: &Verified) -> bool {
        match &verified.proof {
            Proof::Lasting => true,
            Proof::Secret(digest) => self.tokens().proves(digest, &verified.identity),
            Proof::Key(_id) => false,
        }
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

fn lasting(identity: Identity) -> Verified {
    Verified { identity: Arc::new(identity), proof: Proof::Lasting }
}

fn rejection(fault: TokenFault) -> Rejection {
    match fault {
        TokenFault::Malformed => Rejection::Malformed,
        TokenFault::Unknown => Rejection::Unknown,
        TokenFault::WrongSecret => Rejection::WrongSecret,
        TokenFault::Expired => Rejection::Expired,
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").field("tokens", &self.tokens().len()).finish_non_exhaustive()
    }
}
