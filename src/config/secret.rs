//! The address of Redis, whose password never reaches a log, an error or the screen.

use std::fmt;

/// A Redis URL; shown with its password masked.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct RedisUrl(String);

impl RedisUrl {
    /// Accepts a URL of a scheme that Redis clients know; what is behind it is the client's to judge.
    ///
    /// # Errors
    /// Names the schemes.
    pub fn parse(raw: &str) -> Result<Self, String> {
        const SCHEMES: [&str; 5] = ["redis://", "rediss://", "unix://", "redis+unix://", "unix:"];
        if SCHEMES.iter().any(|scheme| raw.starts_with(scheme) && raw.len() > scheme.len()) {
            return Ok(Self(raw.to_owned()));
        }
        Err(format!(
            "{:?} is not a Redis URL: use redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH",
            mask(raw)
        ))
    }

    /// The URL with its password, for the client.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RedisUrl {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        Self::parse(&raw)
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", mask(&self.0))
    }
}

/// Replaces the password of a URL, before the `@` or in the query of a unix socket, by three stars.
pub(super) fn mask(url: &str) -> String {
    let (before_query, query) = match url.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (url, None),
    };
    let mut masked = match (before_query.find("://"), before_query.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            let credentials = &before_query[scheme + 3..at];
            let user = credentials.split_once(':').map_or("", |(user, _password)| user);
            format!("{}{user}:***{}", &before_query[..scheme + 3], &before_query[at..])
        }
        (_, Some(at)) => format!("***{}", &before_query[at..]),
        (_, None) => before_query.to_owned(),
    };
    if let Some(query) = query {
        let parts = query.split('&').map(|part| match part.split_once('=') {
            Some((name @ ("pass" | "password"), _secret)) => format!("{name}=***"),
            Some(_) | None => part.to_owned(),
        });
        masked.push('?');
        masked.push_str(&parts.collect::<Vec<_>>().join("&"));
    }
    masked
}
