//! Identities that may call, for those who look after them.

use std::time::SystemTime;

use crate::domain::access::Identity;

/// Somebody who may call, as the configuration and the token file have it. Neither secrets nor their hashes are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIdentity {
    /// Kind, name, roles, scopes, quotas and end. The id of a rule is empty.
    pub identity: Identity,
    /// Name of whom it is about: the id of a token, the name in certificates, users and groups, the issuer of JWTs.
    pub subject: String,
    /// Time at which a token was made.
    pub created_at: Option<SystemTime>,
    /// End of the secret of a token before its last rotation.
    pub old_secret_not_after: Option<SystemTime>,
    /// Time of the latest accepted call with a token.
    pub last_used_at: Option<SystemTime>,
}

/// The identities that a supervisor knows.
pub trait IdentityDirectory: Send + Sync {
    /// Returns all of them: tokens by their ids, then rules in their order.
    fn known(&self) -> Vec<KnownIdentity>;
}
