//! Finds out who calls.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::domain::access::Identity;

/// Credentials of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Credentials<'a> {
    /// The text behind `Bearer`.
    pub bearer: Option<&'a str>,
    /// The client certificate in DER; the handshake has verified it.
    pub certificate: Option<&'a [u8]>,
    /// User and group of the process, as the kernel knows them.
    pub user: Option<(u32, u32)>,
}

/// An identity, and what has proved it.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Identity of the caller.
    pub identity: Arc<Identity>,
    /// Proof of the identity.
    pub proof: Proof,
}

/// Proof of an identity, for the question whether it still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing that could be taken back while the supervisor runs.
    Lasting,
    /// The secret of a token, as its SHA-256.
    Secret([u8; 32]),
    /// A signature by the key of this id.
    Key(String),
}

/// Reason for which a token is not accepted. Callers are told the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// The token is missing, and the call needs one.
    Missing,
    /// The text is no token of a known form, or there are two.
    Malformed,
    /// The token was never made, or was revoked.
    Unknown,
    /// The id is known, and the secret is wrong.
    WrongSecret,
    /// The token has expired.
    Expired,
    /// The token is not valid yet.
    NotYet,
    /// The signature is not by a known key.
    BadSignature,
    /// The token is by another issuer, or for another audience.
    NotForUs,
    /// The token is well signed and allows nothing.
    NoRoles,
}

impl Rejection {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Missing,
        Self::Malformed,
        Self::Unknown,
        Self::WrongSecret,
        Self::Expired,
        Self::NotYet,
        Self::BadSignature,
        Self::NotForUs,
        Self::NoRoles,
    ];

    /// Returns the word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::WrongSecret => "wrong_secret",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::BadSignature => "bad_signature",
            Self::NotForUs => "not_for_us",
            Self::NoRoles => "no_roles",
        }
    }
}

/// Finds out who calls. Nothing here waits: it is asked for every call.
pub trait Authenticator: Send + Sync {
    /// Returns the identity of a caller, the anonymous one if it has shown nothing.
    ///
    /// # Errors
    /// A token that is not accepted, whatever else the caller has shown.
    fn authenticate(&self, credentials: Credentials<'_>) -> Result<Verified, Rejection>;

    /// Returns true while an identity is what it was when it was proved.
    fn still_holds(&self, verified: &Verified) -> bool;

    /// Returns the wall time by which identities end.
    fn now(&self) -> SystemTime;

    /// Returns a number that changes when identities may have changed.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// Lets everybody do everything.
#[derive(Debug)]
pub struct Everybody {
    verified: Verified,
    changes: watch::Sender<u64>,
}

impl Default for Everybody {
    fn default() -> Self {
        let verified = Verified { identity: Arc::new(Identity::local()), proof: Proof::Lasting };
        Self { verified, changes: watch::Sender::new(0) }
    }
}

impl Authenticator for Everybody {
    fn authenticate(&self, _: Credentials<'_>) -> Result<Verified, Rejection> {
        Ok(self.verified.clone())
    }

    fn still_holds(&self, _: &Verified) -> bool {
        true
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
