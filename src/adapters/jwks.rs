//! Signed tokens (JWT) of an identity provider, checked by the keys of a file (a JSON Web Key Set).
//!
//! The crate `jsonwebtoken` reads and checks the tokens; the signatures are verified by `ring`, which TLS uses as well. Only RS256,
//! ES256 and EdDSA are accepted, each by a key of its kind: a token chooses neither `none` nor a shared secret.

mod ring_verifier;

use std::time::{Duration, SystemTime};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use crate::ports::authenticator::Rejection;

/// Time by which clocks may differ.
const LEEWAY: Duration = Duration::from_secs(5);
/// Most keys of a file.
const MOST_KEYS: usize = 100;

/// The keys of an identity provider, and what its tokens must have.
pub struct Jwks {
    keys: Vec<Key>,
    issuer: String,
    audience: String,
}

struct Key {
    id: String,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Claims of a verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Subject of the token.
    pub subject: String,
    /// The words of the claim with permissions.
    pub words: Vec<String>,
    /// The end of its time.
    pub not_after: SystemTime,
    /// The id of the key that has signed it.
    pub key_id: String,
}

impl Jwks {
    /// Reads a key set. Keys for other uses and of other kinds are left out.
    ///
    /// # Errors
    /// A text that is no key set, or has no key that can be used.
    pub fn parse(text: &str, issuer: &str, audience: &str) -> Result<Self, String> {
        let set: JwkSet =
            serde_json::from_str(text).map_err(|error| format!("is no JSON Web Key Set: {error}"))?;
        if set.keys.len() > MOST_KEYS {
            return Err(format!("has {} keys, more than {MOST_KEYS}", set.keys.len()));
        }
        let keys: Vec<Key> = set.keys.iter().filter_map(key).collect();
        if keys.is_empty() {
            return Err(
                "has no key that can be used: it takes one with a kid, for RS256, ES256 or EdDSA".to_owned()
            );
        }
        ring_verifier::install();
        Ok(Self { keys, issuer: issuer.to_owned(), audience: audience.to_owned() })
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns true without any key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns true if there is a key of this id.
    pub fn has_key(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }

    /// Verifies a token, and returns what it says; `claim` has the permissions.
    ///
    /// # Errors
    /// Why the token is not accepted.
    pub fn verify(&self, token: &str, claim: &str) -> Result<Claims, Rejection> {
        let header = decode_header(token).map_err(|error| rejection(error.kind()))?;
        // Extensions that must be understood are not.
        if header.crit.is_some() {
            return Err(Rejection::Malformed);
        }
        let id = header.kid.ok_or(Rejection::BadSignature)?;
        let named = |key: &&Key| key.id == id && key.algorithm == header.alg;
        let key = self.keys.iter().find(named).ok_or(Rejection::BadSignature)?;
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        let decoded = decode::<Map<String, Value>>(token, &key.key, &validation);
        let claims = decoded.map_err(|error| rejection(error.kind()))?.claims;
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let end = claims.get("exp").and_then(Value::as_f64).unwrap_or_default();
        let end = Duration::try_from_secs_f64(end).map_err(|_not_a_time| Rejection::Malformed)?;
        let not_after = SystemTime::UNIX_EPOCH.checked_add(end + LEEWAY).ok_or(Rejection::Malformed)?;
        let words = claims.get(claim).map(words).unwrap_or_default();
        Ok(Claims { subject: subject.to_owned(), words, not_after, key_id: id })
    }
}

/// Returns a key that can verify tokens.
#[expect(clippy::wildcard_enum_match_arm, reason = "the kinds of the crate may grow")]
fn key(jwk: &Jwk) -> Option<Key> {
    let id = jwk.common.key_id.clone()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|used_for| *used_for != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        // Secrets are no keys of others, and other curves are not verified.
        _ => return None,
    };
    let said = jwk.common.key_algorithm.as_ref().map(ToString::to_string);
    if said.is_some_and(|said| said != format!("{algorithm:?}")) {
        return None;
    }
    Some(Key { id, algorithm, key: DecodingKey::from_jwk(jwk).ok()? })
}

/// Returns the words of a claim: a list of texts, or one text with spaces.
fn words(claim: &Value) -> Vec<String> {
    match claim {
        Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the kinds of the crate may grow")]
fn rejection(kind: &ErrorKind) -> Rejection {
    match kind {
        ErrorKind::ExpiredSignature => Rejection::Expired,
        ErrorKind::ImmatureSignature => Rejection::NotYet,
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => Rejection::NotForUs,
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => Rejection::BadSignature,
        _ => Rejection::Malformed,
    }
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<&str> = self.keys.iter().map(|key| key.id.as_str()).collect();
        f.debug_struct("Jwks").field("keys", &ids).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
