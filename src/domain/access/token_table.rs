//! The tokens that are valid, by id.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use subtle::ConstantTimeEq;

use crate::domain::access::{Identity, TokenText};

/// A stored token: whose it is, and the digest of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// Identity of the token, with the id of the token.
    pub identity: Identity,
    /// The SHA-256 of the secret.
    pub digest: [u8; 32],
    /// The secret before the last rotation, which stays valid for a while.
    pub previous: Option<PreviousSecret>,
    /// Time of creation, if the file has it.
    pub created_at: Option<SystemTime>,
}

/// A secret that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousSecret {
    /// SHA-256 of the secret.
    pub digest: [u8; 32],
    /// The end of its time.
    pub not_after: SystemTime,
}

/// Reason for which a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// The text is no token.
    Malformed,
    /// No token has the id.
    Unknown,
    /// The token of the id has another secret.
    WrongSecret,
    /// The token has expired.
    Expired,
}

/// The tokens that are valid. A look-up costs the same however many there are.
#[derive(Debug, Default)]
pub struct TokenTable(HashMap<String, Entry>);

#[derive(Debug)]
struct Entry {
    created_at: Option<SystemTime>,
    previous_not_after: Option<SystemTime>,
    /// Each digest with the identity that it proves: that of the previous secret ends earlier.
    secrets: Vec<([u8; 32], Arc<Identity>)>,
}

impl TokenTable {
    /// Makes a table. Of two tokens with one id the later one counts; whoever reads them has refused that before.
    pub fn new(tokens: impl IntoIterator<Item = StoredToken>) -> Self {
        let entry = |token: StoredToken| {
            let (created_at, previous) = (token.created_at, token.previous);
            let previous_not_after = previous.map(|previous| previous.not_after);
            let identity = Arc::new(token.identity);
            let mut secrets = vec![(token.digest, Arc::clone(&identity))];
            if let Some(previous) = previous {
                let end = identity.not_after.map_or(previous.not_after, |end| end.min(previous.not_after));
                let earlier = Identity { not_after: Some(end), ..Identity::clone(&identity) };
                secrets.push((previous.digest, Arc::new(earlier)));
            }
            (identity.id.clone(), Entry { created_at, previous_not_after, secrets })
        };
        Self(tokens.into_iter().map(entry).collect())
    }

    /// Returns the number of tokens.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true without any token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns each token without its secrets: its identity, its time of creation, and the end of its previous secret.
    pub fn entries(&self) -> impl Iterator<Item = (&Identity, Option<SystemTime>, Option<SystemTime>)> {
        self.0.values().filter_map(|entry| {
            let (_digest, identity) = entry.secrets.first()?;
            Some((identity.as_ref(), entry.created_at, entry.previous_not_after))
        })
    }

    /// Returns true for the id of a token.
    pub fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Returns whose token it is, and the digest of its secret.
    ///
    /// # Errors
    /// The fault of the token.
    pub fn check(&self, text: &str, now: SystemTime) -> Result<(Arc<Identity>, [u8; 32]), TokenFault> {
        let token = TokenText::parse(text).ok_or(TokenFault::Malformed)?;
        // Before the look-up, so that an unknown id takes as long as a wrong secret.
        let digest = token.digest();
        let entry = self.0.get(token.id).ok_or(TokenFault::Unknown)?;
        let identity = entry.proved_by(&digest).ok_or(TokenFault::WrongSecret)?;
        if identity.is_over(now) { Err(TokenFault::Expired) } else { Ok((Arc::clone(identity), digest)) }
    }

    /// Returns true if the digest still proves exactly this identity.
    pub fn proves(&self, digest: &[u8; 32], identity: &Identity) -> bool {
        let entry = self.0.get(&identity.id);
        entry.and_then(|entry| entry.proved_by(digest)).is_some_and(|proved| **proved == *identity)
    }
}

impl Entry {
    fn proved_by(&self, digest: &[u8; 32]) -> Option<&Arc<Identity>> {
        // Each is compared whole, however early it differs.
        let matching = |(stored, _): &&([u8; 32], Arc<Identity>)| bool::from(stored.ct_eq(digest));
        self.secrets.iter().rfind(matching).map(|(_, identity)| identity)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::access::{IdentityKind, NewToken, Role};

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn stored(token: &NewToken) -> StoredToken {
        let identity = Identity::new(IdentityKind::Token, &token.id, Role::Viewer);
        StoredToken { identity, digest: token.digest, previous: None, created_at: None }
    }

    #[test]
    fn a_token_of_the_table_is_its_identity_and_every_other_one_is_not() {
        let (known, other) = (NewToken::new("a1", &[1; 32]), NewToken::new("a1", &[2; 32]));
        let table = TokenTable::new([stored(&known)]);
        let (identity, digest) = table.check(&known.text, NOW).unwrap();
        assert_eq!((identity.id.as_str(), digest), ("a1", known.digest));
        assert!(table.proves(&digest, &identity));
        assert_eq!(table.check(&other.text, NOW), Err(TokenFault::WrongSecret));
        assert_eq!(table.check(&NewToken::new("b2", &[1; 32]).text, NOW), Err(TokenFault::Unknown));
        assert_eq!(table.check("hst_a1", NOW), Err(TokenFault::Malformed));
        assert!(!table.proves(&other.digest, &identity));
    }

    #[test]
    fn a_token_ends_at_its_time_also_when_the_clock_was_stepped_over_it() {
        let token = NewToken::new("a1", &[1; 32]);
        let mut with_end = stored(&token);
        with_end.identity.not_after = Some(NOW + Duration::from_secs(10));
        let table = TokenTable::new([with_end]);
        assert!(table.check(&token.text, NOW + Duration::from_secs(9)).is_ok());
        for seconds in [10, 11, 1_000_000] {
            let later = NOW + Duration::from_secs(seconds);
            assert_eq!(table.check(&token.text, later), Err(TokenFault::Expired), "{seconds}");
        }
    }

    #[test]
    fn the_previous_secret_is_valid_for_its_grace_period_and_no_longer_than_the_token() {
        let (new, old) = (NewToken::new("a1", &[1; 32]), NewToken::new("a1", &[2; 32]));
        let grace = PreviousSecret { digest: old.digest, not_after: NOW + Duration::from_secs(60) };
        let table = TokenTable::new([StoredToken { previous: Some(grace), ..stored(&new) }]);
        let at = |token: &NewToken, seconds| {
            table.check(&token.text, NOW + Duration::from_secs(seconds)).map(drop)
        };
        assert_eq!((at(&new, 100), at(&old, 59), at(&old, 60)), (Ok(()), Ok(()), Err(TokenFault::Expired)));
        let mut short = StoredToken { previous: Some(grace), ..stored(&new) };
        short.identity.not_after = Some(NOW + Duration::from_secs(5));
        let table = TokenTable::new([short]);
        assert_eq!(table.check(&old.text, NOW + Duration::from_secs(6)), Err(TokenFault::Expired));
    }

    #[test]
    fn an_identity_that_was_changed_is_no_longer_proved() {
        let token = NewToken::new("a1", &[1; 32]);
        let (identity, digest) = TokenTable::new([stored(&token)]).check(&token.text, NOW).unwrap();
        let mut changed = stored(&token);
        changed.identity.roles = Role::Operator.into();
        assert!(!TokenTable::new([changed]).proves(&digest, &identity));
        assert!(!TokenTable::default().proves(&digest, &identity));
        assert!(TokenTable::new([stored(&token)]).proves(&digest, &identity), "read anew and the same");
    }
}
