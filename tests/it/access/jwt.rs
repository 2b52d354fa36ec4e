//! Tokens of an identity provider, on a server with a clock that a test steps.

use std::time::{Duration, SystemTime};

use hero_supervisor::adapters::jwks::Jwks;
use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::ports::clock::Clock;
use hero_supervisor::proto as pb;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tonic::Code;

use super::caller::{Bearer, Guarded};
use crate::grpc_surface::on_memory::soon;

const ISSUER: &str = "https://id.example.org";
const AUDIENCE: &str = "hero-supervisor";

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

/// An identity provider with one key.
struct Provider(Ed25519KeyPair);

impl Provider {
    fn new() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    fn keys(&self) -> Jwks {
        let key = base64(self.0.public_key().as_ref());
        let keys = json!({"keys": [{"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": key}]});
        Jwks::parse(&keys.to_string(), ISSUER, AUDIENCE).unwrap()
    }

    /// A token of a viewer that ends so many seconds from now.
    fn token(&self, seconds: i64, more: &Value) -> String {
        let now = SystemClock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let exp = now.saturating_add_signed(seconds);
        let mut claims =
            json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": exp, "permissions": ["viewer"]});
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = json!({"alg": "EdDSA", "kid": "ed"}).to_string();
        let message = format!("{}.{}", base64(header.as_bytes()), base64(claims.to_string().as_bytes()));
        let signature = base64(self.0.sign(message.as_bytes()).as_ref());
        format!("{message}.{signature}")
    }
}

async fn list(server: &Guarded, token: &str) -> Code {
    let mut client = SupervisorClient::with_interceptor(server.channel(), Bearer::of(token));
    let listed = client.list_actors(pb::ListActorsRequest::default()).await;
    listed.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test]
async fn a_token_ends_by_the_clock_with_its_watches_and_a_clock_that_was_wrong_takes_nothing_for_good() {
    let (server, provider) = (Guarded::start(&[]).await, Provider::new());
    server.identities.set_keys(provider.keys());
    let token = provider.token(600, &json!({}));
    assert_eq!(list(&server, &token).await, Code::Ok);
    let mut client = SupervisorClient::with_interceptor(server.channel(), Bearer::of(&token));
    let mut watch = client.watch_events(pb::WatchEventsRequest::default()).await.unwrap().into_inner();
    // Clocks may differ by five seconds.
    server.clock.step(Duration::from_secs(598));
    assert_eq!(list(&server, &token).await, Code::Ok);
    server.clock.step(Duration::from_secs(10));
    assert_eq!(list(&server, &token).await, Code::Unauthenticated);
    let ended = loop {
        match soon("the end of the watch", watch.message()).await {
            Ok(message) => assert!(message.is_some(), "it ended well"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unauthenticated);
    server.clock.step_back(Duration::from_secs(608));
    assert_eq!(list(&server, &token).await, Code::Ok);
}

#[tokio::test]
async fn what_is_not_for_this_server_or_not_for_now_is_refused() {
    let (server, provider) = (Guarded::start(&[]).await, Provider::new());
    let stranger = Provider::new();
    server.identities.set_keys(provider.keys());
    let refused = [
        ("expired", provider.token(-60, &json!({}))),
        ("not yet", provider.token(600, &json!({"nbf": 4_102_444_800_u64}))),
        ("another issuer", provider.token(600, &json!({"iss": "https://evil.example.org"}))),
        ("another audience", provider.token(600, &json!({"aud": "another"}))),
        ("no roles", provider.token(600, &json!({"permissions": ["repo:read"]}))),
        ("another key", stranger.token(600, &json!({}))),
        ("an end beyond all time", provider.token(i64::MAX, &json!({}))),
    ];
    for (what, token) in refused {
        assert_eq!(list(&server, &token).await, Code::Unauthenticated, "{what}");
    }
    assert_eq!(list(&server, &provider.token(600, &json!({}))).await, Code::Ok);
}
