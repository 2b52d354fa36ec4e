//! URLs that name servers of a Cluster: `redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT`.

use redis::{ConnectionInfo, RedisError};

use super::Address;
use crate::adapters::redis::host_list::{addresses, at, split, split_login};

/// The schemes, and what a server behind them is spoken to by.
const SCHEMES: [(&str, &str); 2] = [("redis+cluster://", "redis://"), ("rediss+cluster://", "rediss://")];
/// Port of a server whose address has none.
const PORT: u16 = 6379;
/// The whole form, for errors.
const FORM: &str = "redis+cluster://HOST:6379,HOST:6379,HOST:6379";

/// A URL, taken apart. It may hold a password, so it has no `Debug`.
#[derive(Clone)]
pub(in super::super) struct ClusterUrl {
    scheme: &'static str,
    /// User and password with an `@` behind them, as written; empty without.
    login: String,
    /// Options, as written.
    query: String,
    /// Options of TLS, as written.
    fragment: String,
    /// Servers to ask for all others.
    pub(super) seeds: Vec<Address>,
}

impl ClusterUrl {
    /// Takes a URL apart; None for one that names no Cluster. The errors have no part of the URL, since that may be a password.
    pub(in super::super) fn parse(url: &str) -> Result<Option<Self>, String> {
        let of_scheme = |(given, plain): (&str, &'static str)| Some((plain, url.strip_prefix(given)?));
        let Some((scheme, rest)) = SCHEMES.into_iter().find_map(of_scheme) else { return Ok(None) };
        let (rest, fragment) = split(rest, '#');
        let (rest, query) = split(rest, '?');
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = split_login(authority);
        if hosts.is_empty() {
            return Err(format!("names no server of the Cluster: use {FORM}"));
        }
        if !database.is_empty() && database != "0" {
            return Err(format!(
                "a Cluster has one database and no other: use {FORM} with nothing behind it"
            ));
        }
        let seeds = addresses(hosts, PORT);
        let seeds = seeds.ok_or_else(|| format!("a server has no address HOST:PORT: use {FORM}"))?;
        let seeds = seeds.into_iter().map(|(host, port)| Address { host, port }).collect();
        let url = Self {
            scheme,
            login: login.to_owned(),
            query: query.to_owned(),
            fragment: fragment.to_owned(),
            seeds,
        };
        url.server("localhost", 1).map_err(|error| error.to_string())?;
        Ok(Some(url))
    }

    /// True if servers are spoken to by TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.scheme == "rediss://"
    }

    /// A server of the Cluster.
    pub(in super::super) fn server(&self, host: &str, port: u16) -> Result<ConnectionInfo, RedisError> {
        let Self { scheme, login, query, fragment, .. } = self;
        at(format!("{scheme}{login}localhost:1/{query}{fragment}").as_str(), host, port)
    }
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    #[test]
    fn a_url_has_servers_and_what_they_need() {
        let url =
            ClusterUrl::parse("redis+cluster://me:s3cr%40t@a:1,b,[::1]:3/0?protocol=resp3").unwrap().unwrap();
        let seeds: Vec<_> = url.seeds.iter().map(ToString::to_string).collect();
        assert_eq!(seeds, ["a:1", "b:6379", "[::1]:3"]);
        let server = url.server("c", 7).unwrap();
        assert_eq!(server.addr().to_string(), "c:7");
        let login = server.redis_settings();
        assert_eq!((login.username(), login.password(), login.db()), (Some("me"), Some("s3cr@t"), 0));
        let tls = ClusterUrl::parse("rediss+cluster://a").unwrap().unwrap().server("c", 7).unwrap();
        assert!(matches!(tls.addr(), ConnectionAddr::TcpTls { insecure: false, .. }), "{tls:?}");
        assert!(ClusterUrl::parse("redis://a/0").unwrap().is_none());
    }

    #[test]
    fn half_a_url_says_what_is_missing_and_shows_nothing() {
        for (url, told) in [
            ("redis+cluster://", "names no server"),
            ("redis+cluster:///0", "names no server"),
            ("redis+cluster://me:s3cret@", "names no server"),
            ("redis+cluster://a:1,", "has no address HOST:PORT"),
            ("redis+cluster://a:no", "has no address HOST:PORT"),
            ("redis+cluster://a:0", "has no address HOST:PORT"),
            ("redis+cluster://a:1/1", "has one database"),
            ("redis+cluster://me:s3cr/et@a", "has one database"),
            ("redis+cluster://a/main/0", "has one database"),
        ] {
            let error = ClusterUrl::parse(url).err().unwrap_or_else(|| panic!("{url} is half a URL"));
            assert!(error.contains(told) && !error.contains("s3c"), "{url}: {error}");
        }
    }
}
