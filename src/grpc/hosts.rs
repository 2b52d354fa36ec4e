//! Names of this machine, against pages that point a name of their own at it.

use std::net::IpAddr;

/// Matches any name.
const ANY: &str = "*";

/// Host names under which an HTTP endpoint answers, beside addresses and `localhost`. A page that points its own name at
/// this machine is refused.
#[derive(Debug, Clone, Default)]
pub struct Hosts(pub Vec<String>);

impl Hosts {
    /// Returns true if a request with this Host header is allowed.
    pub fn has(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _port)) => address,
            None => host.split_once(':').map_or(host, |(name, _port)| name),
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        name.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.0.iter().any(|known| known == ANY || known.eq_ignore_ascii_case(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_gave_this_machine_is_refused() {
        let hosts = Hosts(vec!["metrics.example.org".to_owned(), "Node-1".to_owned()]);
        for host in [
            "127.0.0.1:9464",
            "10.0.0.7",
            "[::1]:9464",
            "[fe80::1]",
            "localhost",
            "LOCALHOST:9464",
            "a.localhost",
            "metrics.example.org:80",
            "Metrics.Example.org.",
            "node-1:9464",
        ] {
            assert!(hosts.has(host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:9464", "metrics.example.org.evil.example", "", "localhost.evil"]
        {
            assert!(!hosts.has(host), "{host}");
        }
        assert!(Hosts(vec![ANY.to_owned()]).has("evil.example"));
    }
}
