//! The URL of Redis, whose password never reaches a log, an error or the screen.

use std::fmt;

pub(super) use crate::domain::model::secret::{MASKED, mask, mask_words};

/// A Redis URL; printed with its password masked.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct RedisUrl(String);

impl RedisUrl {
    /// Accepts a URL with a scheme of Redis. The rest is checked by the Redis client.
    ///
    /// # Errors
    /// A URL with another scheme.
    pub fn parse(raw: &str) -> Result<Self, String> {
        const SCHEMES: [&str; 9] = [
            "redis://",
            "rediss://",
            "redis+sentinel://",
            "rediss+sentinel://",
            "redis+cluster://",
            "rediss+cluster://",
            "unix://",
            "redis+unix://",
            "unix:",
        ];
        if SCHEMES.iter().any(|scheme| raw.starts_with(scheme) && raw.len() > scheme.len()) {
            return Ok(Self(raw.to_owned()));
        }
        Err(format!(
            "{:?} is not a Redis URL: use redis://HOST:PORT, rediss://HOST:PORT, redis+sentinel://HOST:PORT,…/NAME, \
             redis+cluster://HOST:PORT,… or unix:///PATH",
            mask(raw)
        ))
    }

    /// Returns the URL with its password, for the Redis client.
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
