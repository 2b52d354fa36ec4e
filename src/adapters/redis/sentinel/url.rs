//! URLs that name Sentinels: `redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/NAME[/DB]`.

use redis::{ConnectionInfo, RedisError};

use crate::adapters::redis::host_list::{addresses, at, split, split_login};

/// The schemes, and what a server behind them is spoken to by.
const SCHEMES: [(&str, &str); 2] = [("redis+sentinel://", "redis://"), ("rediss+sentinel://", "rediss://")];
/// Port of a Sentinel whose address has none.
const PORT: u16 = 26379;
/// The whole form, for errors.
const FORM: &str = "redis+sentinel://HOST:26379,HOST:26379,HOST:26379/NAME";

/// A URL, taken apart. It may hold a password, so it has no `Debug`.
#[derive(Clone)]
pub(in super::super) struct SentinelUrl {
    scheme: &'static str,
    /// User and password of the servers with an `@` behind them, as written; empty without.
    login: String,
    /// Database and options behind it, as written.
    tail: String,
    /// Options of TLS, as written.
    fragment: String,
    /// Addresses of the Sentinels.
    pub(super) sentinels: Vec<(String, u16)>,
    /// Name of the primary.
    pub(super) name: String,
}

impl SentinelUrl {
    /// Takes a URL apart; None for one that names no Sentinels. The errors have no part of the URL, since that may be a password.
    pub(in super::super) fn parse(url: &str) -> Result<Option<Self>, String> {
        let of_scheme = |(given, plain): (&str, &'static str)| Some((plain, url.strip_prefix(given)?));
        let Some((scheme, rest)) = SCHEMES.into_iter().find_map(of_scheme) else { return Ok(None) };
        let (rest, fragment) = split(rest, '#');
        let (rest, query) = split(rest, '?');
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = split_login(authority);
        let (name, db) = path.split_once('/').unwrap_or((path, ""));
        if hosts.is_empty() {
            return Err(format!("names no Sentinel: use {FORM}"));
        }
        if name.is_empty() {
            return Err(format!("does not say which primary: put its name behind the Sentinels, {FORM}"));
        }
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            return Err(format!("the name of the primary has letters, digits, ., _ and - only: use {FORM}"));
        }
        if !db.is_empty() && db.parse::<u32>().is_err() {
            return Err(format!("the database behind the name of the primary is a number: use {FORM}/0"));
        }
        let sentinels = addresses(hosts, PORT);
        let sentinels =
            sentinels.ok_or_else(|| format!("a Sentinel has no address HOST:PORT: use {FORM}"))?;
        let url = Self {
            scheme,
            login: login.to_owned(),
            tail: format!("{db}{query}"),
            fragment: fragment.to_owned(),
            sentinels,
            name: name.to_owned(),
        };
        url.server("localhost", 1).map_err(|error| error.to_string())?;
        Ok(Some(url))
    }

    /// A server that holds data.
    pub(in super::super) fn server(&self, host: &str, port: u16) -> Result<ConnectionInfo, RedisError> {
        let Self { scheme, login, tail, fragment, .. } = self;
        at(format!("{scheme}{login}localhost:1/{tail}{fragment}").as_str(), host, port)
    }

    /// A Sentinel, which nobody has logged in to.
    pub(in super::super) fn sentinel(&self, host: &str, port: u16) -> Result<ConnectionInfo, RedisError> {
        at(format!("{}localhost:1/{}", self.scheme, self.fragment).as_str(), host, port)
    }
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    fn parsed(url: &str) -> SentinelUrl {
        SentinelUrl::parse(url).unwrap().unwrap()
    }

    #[test]
    fn a_url_has_sentinels_a_name_and_what_the_servers_need() {
        let url = parsed("redis+sentinel://me:s3cr%40t@a:1,b,[::1]:3/main.1/2?protocol=resp3");
        let addresses: Vec<_> = url.sentinels.iter().map(|(host, port)| (host.as_str(), *port)).collect();
        assert_eq!(addresses, [("a", 1), ("b", 26379), ("::1", 3)]);
        assert_eq!(url.name, "main.1");
        let server = url.server("c", 7).unwrap();
        assert_eq!(server.addr().to_string(), "c:7");
        let login = server.redis_settings();
        assert_eq!((login.username(), login.password(), login.db()), (Some("me"), Some("s3cr@t"), 2));
        let sentinel = url.sentinel("a", 1).unwrap();
        let login = sentinel.redis_settings();
        assert_eq!((login.username(), login.password(), login.db()), (None, None, 0));
    }

    #[test]
    fn tls_holds_for_servers_and_sentinels() {
        let url = parsed("rediss+sentinel://a/main");
        for info in [url.server("c", 7).unwrap(), url.sentinel("a", 1).unwrap()] {
            assert!(matches!(info.addr(), ConnectionAddr::TcpTls { insecure: false, .. }), "{info:?}");
        }
        assert!(SentinelUrl::parse("rediss://a/0").unwrap().is_none());
    }

    #[test]
    fn half_a_url_says_what_is_missing_and_shows_nothing() {
        for (url, told) in [
            ("redis+sentinel:///main", "names no Sentinel"),
            ("redis+sentinel://me:s3cret@/main", "names no Sentinel"),
            ("redis+sentinel://a:1,b:2", "does not say which primary"),
            ("redis+sentinel://a:1,b:2/", "does not say which primary"),
            ("redis+sentinel://a:1,,b:2/main", "has no address HOST:PORT"),
            ("redis+sentinel://a:no/main", "has no address HOST:PORT"),
            ("redis+sentinel://a:0/main", "has no address HOST:PORT"),
            ("redis+sentinel://me:s3cr/et@a/main", "letters, digits"),
            ("redis+sentinel://a/main/x", "the database behind"),
            ("redis+sentinel://a/main/0/1", "the database behind"),
            ("redis+sentinel://a/ma in", "letters, digits"),
        ] {
            let error = SentinelUrl::parse(url).err().unwrap_or_else(|| panic!("{url} is half a URL"));
            assert!(error.contains(told) && !error.contains("s3c"), "{url}: {error}");
        }
    }
}
