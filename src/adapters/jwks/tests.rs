//! Tokens of every accepted kind, and of every kind that is not.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::json;

use super::*;
use crate::adapters::system_clock::SystemClock;
use crate::ports::clock::Clock;

const ISSUER: &str = "https://id.example.org";
const AUDIENCE: &str = "hero-supervisor";
/// A key for tests only.
const RSA: &[u8] = include_bytes!("../../../tests/vectors/rsa_2048.der");

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let all =
            chunk.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[(all >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

/// An identity provider with a key of each kind.
struct Provider {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Provider {
    fn new() -> Self {
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            rsa: RsaKeyPair::from_der(RSA).or_else(|_pkcs8| RsaKeyPair::from_pkcs8(RSA)).unwrap(),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap(),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
        }
    }

    fn keys(&self) -> String {
        let point = self.ec.public_key().as_ref();
        let rsa: RsaPublicKeyComponents<Vec<u8>> = self.rsa.public().into();
        json!({"keys": [
            {"kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256", "n": base64(&rsa.n),
             "e": base64(&rsa.e)},
            {"kty": "EC", "kid": "ec", "crv": "P-256", "x": base64(&point[1..33]), "y": base64(&point[33..])},
            {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": base64(self.ed.public_key().as_ref())},
            {"kty": "oct", "kid": "secret", "k": base64(b"a shared secret of somebody")},
            {"kty": "RSA", "kid": "encrypts", "use": "enc", "n": "AQAB", "e": "AQAB"},
        ]})
        .to_string()
    }

    fn jwks(&self) -> Jwks {
        Jwks::parse(&self.keys(), ISSUER, AUDIENCE).unwrap()
    }

    /// Signs a token by the key of this name, whatever its header says.
    fn sign(&self, key: &str, header: &Value, claims: &Value) -> String {
        let message =
            format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
        let random = SystemRandom::new();
        let signature = match key {
            "rsa" => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            "ec" => self.ec.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            "ed" => self.ed.sign(message.as_bytes()).as_ref().to_vec(),
            _none => Vec::new(),
        };
        format!("{message}.{}", base64(&signature))
    }
}

fn now() -> u64 {
    SystemClock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now() + 600, "permissions": ["viewer", "repo:read"]})
}

fn with(change: &Value) -> Value {
    let mut all = claims();
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            all.as_object_mut().unwrap().remove(name);
        } else {
            all[name] = value.clone();
        }
    }
    all
}

const KINDS: [(&str, &str); 3] = [("rsa", "RS256"), ("ec", "ES256"), ("ed", "EdDSA")];

#[test]
fn a_token_signed_by_a_known_key_of_each_kind_is_accepted() {
    let (provider, claims) = (Provider::new(), claims());
    let jwks = provider.jwks();
    assert_eq!(jwks.len(), 3, "secrets and keys for other uses are left out: {jwks:?}");
    for (kid, alg) in KINDS {
        let token = provider.sign(kid, &json!({"alg": alg, "kid": kid}), &claims);
        let verified = jwks.verify(&token, "permissions").unwrap_or_else(|error| panic!("{kid}: {error:?}"));
        assert_eq!((verified.subject.as_str(), verified.key_id.as_str()), ("alice", kid));
        assert_eq!(verified.words, ["viewer", "repo:read"]);
        // Another claim, in its other form.
        let spoken = with(&json!({"scope": "hero:admin x"}));
        let token = provider.sign(kid, &json!({"alg": alg, "kid": kid}), &spoken);
        assert_eq!(jwks.verify(&token, "scope").unwrap().words, ["hero:admin", "x"]);
    }
}

#[test]
fn what_is_wrong_with_the_claims_is_refused() {
    let provider = Provider::new();
    let jwks = provider.jwks();
    let table = [
        (json!({"exp": now() - 60}), Rejection::Expired),
        (json!({"nbf": now() + 60}), Rejection::NotYet),
        (json!({"iss": "https://evil.example"}), Rejection::NotForUs),
        (json!({"aud": "other"}), Rejection::NotForUs),
        (json!({"exp": null}), Rejection::Malformed),
        (json!({"iss": null}), Rejection::Malformed),
        (json!({"aud": null}), Rejection::Malformed),
        (json!({"sub": null}), Rejection::Malformed),
        (json!({"exp": "tomorrow"}), Rejection::Malformed),
    ];
    for (change, expected) in table {
        let token = provider.sign("ed", &json!({"alg": "EdDSA", "kid": "ed"}), &with(&change));
        assert_eq!(jwks.verify(&token, "permissions").unwrap_err(), expected, "{change}");
    }
    let several = with(&json!({"aud": ["other", AUDIENCE], "nbf": now() + 1}));
    let token = provider.sign("ed", &json!({"alg": "EdDSA", "kid": "ed"}), &several);
    assert!(jwks.verify(&token, "permissions").is_ok(), "one of several, and within the leeway");
}

#[test]
fn a_header_cannot_choose_how_it_is_verified() {
    let (provider, other, claims) = (Provider::new(), Provider::new(), claims());
    let jwks = provider.jwks();
    let headers = [
        ("", json!({"alg": "none", "kid": "ed"})),
        ("", json!({"alg": "None", "kid": "ed"})),
        ("ed", json!({"alg": "HS256", "kid": "secret"})),
        ("ed", json!({"alg": "HS256", "kid": "rsa"})),
        ("ed", json!({"alg": "EdDSA"})),
        ("ed", json!({"alg": "EdDSA", "kid": "unknown"})),
        ("ed", json!({"alg": "RS256", "kid": "ed"})),
        ("ed", json!({"alg": "ES256", "kid": "ec"})),
        ("rsa", json!({"alg": "PS256", "kid": "rsa"})),
        ("rsa", json!({"alg": "RS512", "kid": "rsa"})),
        ("ed", json!({"alg": "EdDSA", "kid": "ed", "crit": ["b64"], "b64": false})),
        ("ed", json!({"kid": "ed"})),
    ];
    for (key, header) in headers {
        let token = provider.sign(key, &header, &claims);
        assert!(jwks.verify(&token, "permissions").is_err(), "{header}");
    }
    for (kid, alg) in KINDS.into_iter().filter(|(kid, _)| *kid != "rsa") {
        let token = other.sign(kid, &json!({"alg": alg, "kid": kid}), &claims);
        assert_eq!(
            jwks.verify(&token, "permissions").unwrap_err(),
            Rejection::BadSignature,
            "{kid} of another"
        );
    }
    let token = provider.sign("ed", &json!({"alg": "EdDSA", "kid": "ed"}), &claims);
    let (head, rest) = token.split_once('.').unwrap();
    let (_body, signature) = rest.split_once('.').unwrap();
    let forged = base64(with(&json!({"sub": "root"})).to_string().as_bytes());
    for text in [
        &format!("{head}.{forged}.{signature}"),
        &token[..token.len() - 4],
        "",
        ".",
        "..",
        "a.b.c",
        &format!("{token}.x"),
    ] {
        assert!(jwks.verify(text, "permissions").is_err(), "{text}");
    }
}

#[test]
fn a_file_without_a_usable_key_is_refused() {
    for text in
        ["", "{}", "{\"keys\": []}", "{\"keys\": [{\"kty\": \"oct\", \"kid\": \"s\", \"k\": \"AAAA\"}]}"]
    {
        assert!(Jwks::parse(text, ISSUER, AUDIENCE).is_err(), "{text}");
    }
}
