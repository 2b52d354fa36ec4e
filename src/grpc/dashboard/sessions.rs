//! Sessions of browsers, in memory: what a caller has shown once stands for it until the session ends.
//!
//! A caller asks for a code (CreateLoginCode). Whoever brings the code within a minute, once, gets a session: a cookie that
//! no script of a page can read and that no other site can have sent. The session is bound to the credentials that were
//! shown: each call with it is decided as if they were shown again, so a token that ends or is revoked ends it as well.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tonic::codegen::http::header::{AUTHORIZATION, COOKIE};
use tonic::codegen::http::{HeaderMap, HeaderValue};

use crate::grpc::peer::{Peer, UnixPeer};
use crate::lock::Lock;

/// Time within which a code is good.
pub(crate) const CODE_LIFE: Duration = Duration::from_secs(60);
/// Time after which a session ends.
const SESSION_LIFE: Duration = Duration::from_secs(12 * 3600);
/// Most codes at a time; the one that ends first makes room.
const CODES: usize = 100;
/// Most sessions at a time; the one that ends first makes room.
const SESSIONS: usize = 1000;

/// Credentials that a caller has shown.
#[derive(Clone, Default)]
pub(crate) struct Shown {
    /// The header with the token.
    authorization: Option<HeaderValue>,
    unix: Option<UnixPeer>,
    certificates: Arc<[Vec<u8>]>,
}

impl Shown {
    /// Collects what a request shows.
    pub(crate) fn of(authorization: Option<HeaderValue>, peer: Option<&Peer>) -> Self {
        Self {
            authorization,
            unix: peer.and_then(|peer| peer.unix),
            certificates: peer.map(|peer| Arc::clone(&peer.certificates)).unwrap_or_default(),
        }
    }

    /// Shows it in a request that shows nothing by itself.
    pub(super) fn show(self, headers: &mut HeaderMap, peer: &mut Peer) {
        if let Some(authorization) = self.authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        peer.unix = self.unix;
        peer.certificates = self.certificates;
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

/// All codes and sessions of a server. A cheap clone; all clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Name of the cookie, another one for each run of each server: browsers keep cookies of all ports of a host together.
    cookie: String,
    codes: Lock<Kept>,
    sessions: Lock<Kept>,
}

/// Secrets by their hashes, so that how long a search takes says nothing about them.
#[derive(Debug, Default)]
struct Kept(BTreeMap<[u8; 32], (Instant, Shown)>);

impl Kept {
    fn put(&mut self, most: usize, until: Instant, shown: Shown, now: Instant) -> String {
        self.0.retain(|_hash, (until, _shown)| *until > now);
        let first = self.0.iter().min_by_key(|(_hash, (until, _shown))| *until).map(|(hash, _)| *hash);
        if self.0.len() >= most
            && let Some(first) = first
        {
            self.0.remove(&first);
        }
        let secret = secret();
        self.0.insert(hash(&secret), (until, shown));
        secret
    }

    fn get(&self, secret: &str, now: Instant) -> Option<Shown> {
        let kept = self.0.get(&hash(secret)).filter(|(until, _shown)| *until > now);
        kept.map(|(_until, shown)| shown.clone())
    }

    fn take(&mut self, secret: &str, now: Instant) -> Option<Shown> {
        let kept = self.0.remove(&hash(secret)).filter(|(until, _shown)| *until > now);
        kept.map(|(_until, shown)| shown)
    }
}

impl Sessions {
    /// Makes an empty table.
    pub(crate) fn new() -> Self {
        let cookie = format!("hero_session_{}", secret().get(..8).unwrap_or_default());
        Self { shared: Arc::new(Shared { cookie, codes: Lock::default(), sessions: Lock::default() }) }
    }

    /// Makes a code for a caller.
    pub(crate) fn code(&self, shown: Shown, now: Instant) -> String {
        self.shared.codes.lock().put(CODES, now + CODE_LIFE, shown, now)
    }

    /// Opens a session by a code and returns its cookie; None for a code that is unknown, used, or too old.
    pub(super) fn open(&self, code: &str, is_encrypted: bool, now: Instant) -> Option<String> {
        let shown = self.shared.codes.lock().take(code, now)?;
        let secret = self.shared.sessions.lock().put(SESSIONS, now + SESSION_LIFE, shown, now);
        Some(self.cookie(&secret, SESSION_LIFE, is_encrypted))
    }

    /// Returns what the caller of a request has shown when its session began; None without a session.
    pub(super) fn shown(&self, headers: &HeaderMap, now: Instant) -> Option<Shown> {
        self.secrets(headers).find_map(|secret| self.shared.sessions.lock().get(secret, now))
    }

    /// Ends the session of a request, and returns the cookie that a browser forgets it by.
    pub(super) fn close(&self, headers: &HeaderMap, is_encrypted: bool, now: Instant) -> String {
        for secret in self.secrets(headers) {
            self.shared.sessions.lock().take(secret, now);
        }
        self.cookie("", Duration::ZERO, is_encrypted)
    }

    fn secrets<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let pairs =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _secret)| *name == self.shared.cookie).map(|(_name, secret)| secret)
    }

    fn cookie(&self, secret: &str, life: Duration, is_encrypted: bool) -> String {
        let (name, seconds) = (&self.shared.cookie, life.as_secs());
        let secure = if is_encrypted { "; Secure" } else { "" };
        format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Returns 244 random bits of the system.
fn secret() -> String {
    let part = || uuid::Uuid::new_v4().simple().to_string();
    [part(), part()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(token: &'static str) -> Shown {
        Shown::of(Some(HeaderValue::from_static(token)), None)
    }

    fn cookie(told: &str) -> HeaderMap {
        let pair = told.split(';').next().unwrap();
        let text = format!("other=1; {pair}; hero_session_x=2");
        HeaderMap::from_iter([(COOKIE, text.parse().unwrap())])
    }

    fn authorization(sessions: &Sessions, headers: &HeaderMap, now: Instant) -> Option<String> {
        let shown = sessions.shown(headers, now)?;
        let (mut headers, mut peer) = (HeaderMap::new(), Peer::default());
        shown.show(&mut headers, &mut peer);
        headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_code_is_good_once_and_for_a_minute() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        let code = sessions.code(bearer("Bearer t"), now);
        assert_eq!(sessions.open("", false, now), None);
        assert_eq!(sessions.open(&code[1..], false, now), None);
        let told = sessions.open(&code, false, now + CODE_LIFE - Duration::from_millis(1)).unwrap();
        assert!(told.contains("; HttpOnly; SameSite=Strict;") && !told.contains("Secure"), "{told}");
        assert_eq!(sessions.open(&code, false, now), None, "it was used");
        let late = sessions.code(bearer("Bearer t"), now);
        assert_eq!(sessions.open(&late, false, now + CODE_LIFE), None);
        let encrypted = sessions.code(bearer("Bearer t"), now);
        assert!(sessions.open(&encrypted, true, now).unwrap().ends_with("; Secure"));
    }

    #[test]
    fn a_session_shows_what_was_shown_until_it_ends() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        let told = sessions.open(&sessions.code(bearer("Bearer t"), now), false, now).unwrap();
        let headers = cookie(&told);
        assert_eq!(authorization(&sessions, &headers, now).as_deref(), Some("Bearer t"));
        assert_eq!(authorization(&Sessions::new(), &headers, now), None, "it is of another server");
        assert_eq!(authorization(&sessions, &HeaderMap::new(), now), None);
        assert_eq!(authorization(&sessions, &headers, now + SESSION_LIFE), None);
        assert!(sessions.close(&headers, false, now).contains("Max-Age=0"));
        assert_eq!(authorization(&sessions, &headers, now), None);
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        let first = sessions.code(bearer("Bearer t"), now);
        for later in 1..=CODES as u64 {
            sessions.code(bearer("Bearer t"), now + Duration::from_millis(later));
        }
        assert_eq!(sessions.shared.codes.lock().0.len(), CODES);
        assert_eq!(sessions.open(&first, false, now), None, "it has made room");
    }
}
