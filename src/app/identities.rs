//! Finds out who calls, by everything that the configuration knows: tokens, certificates, users of this machine.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::adapters::jwks::Jwks;
use crate::config::Config;
use crate::domain::access::{
    CertificateRule, Identity, IdentityKind, Roles, TokenFault, TokenTable, UnixRule, by_certificate,
    by_permissions, by_user,
};
use crate::lock::Lock;
use crate::ports::authenticator::{Authenticator, Credentials, Everybody, Proof, Rejection, Verified};
use crate::ports::clock::Clock;
use crate::ports::identity_directory::{IdentityDirectory, KnownIdentity};
use crate::tls::caller_of_certificate;

/// The identities that a supervisor knows.
pub struct Identities {
    clock: Arc<dyn Clock>,
    anonymous: Verified,
    certificates: Vec<CertificateRule>,
    unix: Vec<UnixRule>,
    /// The user that runs this process.
    own_uid: u32,
    tokens: Lock<Arc<TokenTable>>,
    /// Time of the latest call with each token, by its id.
    used: Lock<BTreeMap<String, SystemTime>>,
    /// The issuer of JWTs, if they are accepted.
    issuer: Option<String>,
    /// The keys of the identity provider, if its tokens are accepted.
    keys: Lock<Option<Arc<Jwks>>>,
    /// The claim that has roles and scopes.
    permissions_claim: String,
    changes: watch::Sender<u64>,
}

impl Identities {
    /// Makes the identities of a configuration, without tokens yet.
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        let anonymous = Identity::anonymous(config.auth.anonymous_calls());
        Self {
            clock,
            anonymous: lasting(anonymous),
            certificates: config.auth.certificates.clone(),
            unix: config.auth.unix.clone(),
            own_uid: nix::unistd::geteuid().as_raw(),
            tokens: Lock::default(),
            used: Lock::default(),
            issuer: config.auth.jwt().map(|jwt| jwt.issuer.to_owned()),
            keys: Lock::default(),
            permissions_claim: config.auth.permissions_claim.clone(),
            changes: watch::Sender::new(0),
        }
    }

    /// Takes other tokens from now on. Calls under way end if their token is gone or means something else.
    pub fn set_tokens(&self, tokens: TokenTable) {
        self.used.lock().retain(|id, _at| tokens.has(id));
        *self.tokens.lock() = Arc::new(tokens);
        self.changes.send_modify(|number| *number += 1);
    }

    /// Takes other keys of the identity provider from now on. Calls whose key is gone end.
    pub fn set_keys(&self, keys: Jwks) {
        *self.keys.lock() = Some(Arc::new(keys));
        self.changes.send_modify(|number| *number += 1);
    }

    fn keys(&self) -> Option<Arc<Jwks>> {
        self.keys.lock().clone()
    }

    fn tokens(&self) -> Arc<TokenTable> {
        // The value is replaced as a whole, so a panic of another thread has broken nothing.
        Arc::clone(&self.tokens.lock())
    }

    fn note_use(&self, id: &str, now: SystemTime) {
        let mut used = self.used.lock();
        match used.get_mut(id) {
            Some(at) => *at = now,
            None => drop(used.insert(id.to_owned(), now)),
        }
    }

    fn by_bearer(&self, text: &str) -> Result<Verified, Rejection> {
        // A token of the file has no dot, and a JWT has two.
        if text.contains('.')
            && let Some(keys) = self.keys()
        {
            return self.by_jwt(&keys, text);
        }
        let now = self.clock.now();
        let (identity, digest) = self.tokens().check(text, now).map_err(rejection)?;
        self.note_use(&identity.id, now);
        Ok(Verified { identity, proof: Proof::Secret(digest) })
    }

    /// Returns the identity of a certificate that a rule names. The identity ends with the certificate, whose names and time
    /// the handshake has checked only once.
    fn by_certificate(&self, certificate: &[u8]) -> Result<Option<Verified>, Rejection> {
        let (names, not_after) =
            caller_of_certificate(certificate).map_err(|_unreadable| Rejection::Malformed)?;
        let Some(identity) = by_certificate(&self.certificates, names.iter().map(String::as_str)) else {
            return Ok(None);
        };
        let identity = Identity { not_after: Some(not_after), ..identity };
        if identity.is_over(self.clock.now()) {
            return Err(Rejection::Expired);
        }
        Ok(Some(lasting(identity)))
    }

    fn by_jwt(&self, keys: &Jwks, text: &str) -> Result<Verified, Rejection> {
        let claims = keys.verify(text, &self.permissions_claim)?;
        let words = claims.words.iter().map(String::as_str);
        let identity = by_permissions(&claims.subject, words).ok_or(Rejection::NoRoles)?;
        let identity = Identity { not_after: Some(claims.not_after), ..identity };
        if identity.is_over(self.clock.now()) {
            return Err(Rejection::Expired);
        }
        Ok(Verified { identity: Arc::new(identity), proof: Proof::Key(claims.key_id) })
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
        if let Some(certificate) = credentials.certificate.filter(|_| !self.certificates.is_empty())
            && let Some(verified) = self.by_certificate(certificate)?
        {
            return Ok(verified);
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
            Proof::Key(id) => self.keys().is_some_and(|keys| keys.has_key(id)),
        }
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl IdentityDirectory for Identities {
    fn known(&self) -> Vec<KnownIdentity> {
        let (tokens, used) = (self.tokens(), self.used.lock().clone());
        let mut known: Vec<KnownIdentity> = tokens
            .entries()
            .map(|(identity, created_at, old_secret_not_after)| KnownIdentity {
                identity: identity.clone(),
                subject: identity.id.clone(),
                created_at,
                old_secret_not_after,
                last_used_at: used.get(&identity.id).copied(),
            })
            .collect();
        known.sort_by(|a, b| a.subject.cmp(&b.subject));
        let certificates = self.certificates.iter().map(|rule| (rule.san.to_string(), rule.identity.clone()));
        let unix = self.unix.iter().map(|rule| (users_of(rule), rule.identity.clone()));
        let provider = |issuer: &String| (issuer.clone(), Identity::new(IdentityKind::Jwt, "", Roles::NONE));
        let anonymous = (String::new(), Identity::clone(&self.anonymous.identity));
        let rules = certificates.chain(unix).chain(self.issuer.as_ref().map(provider)).chain([anonymous]);
        known.extend(rules.map(|(subject, identity)| KnownIdentity {
            identity,
            subject,
            created_at: None,
            old_secret_not_after: None,
            last_used_at: None,
        }));
        known
    }
}

/// Numbers of the users and the group of a rule: `uid 7, uid 8, gid 50`.
fn users_of(rule: &UnixRule) -> String {
    let users = rule.uids.iter().map(|uid| format!("uid {uid}"));
    let group = rule.gid.map(|gid| format!("gid {gid}"));
    users.chain(group).collect::<Vec<_>>().join(", ")
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
