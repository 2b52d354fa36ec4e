//! The grammar of addresses, which the clients of all languages and the command line share.

use std::net::{IpAddr, Ipv6Addr};

/// The environment variable that names the server when no address is given.
const SERVER_VARIABLE: &str = "HERO_SUPERVISOR_SERVER";
/// The server when neither an address nor the variable is given.
pub(crate) const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";

/// A way to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The address as it was given.
    pub(super) text: String,
    /// The kind of connection that the address asks for.
    pub(super) way: Way,
    /// Host and port, or the path of the socket.
    pub(super) place: String,
    /// True for a server on this machine.
    pub(super) local: bool,
}

/// The kind of connection that an address asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// `unix:`
    Unix,
    /// `http://`
    Plain,
    /// `https://`
    Tls,
    /// Host and port alone, which do not say whether the connection is encrypted.
    Open,
}

impl Address {
    /// Reads an address; an empty one stands for that of the environment.
    ///
    /// # Errors
    /// The grammar, for everything else.
    pub(super) fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let text = match text {
            "" => variable(SERVER_VARIABLE).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned()),
            given => given.to_owned(),
        };
        let read = match text.strip_prefix("unix:") {
            Some(path) => unix(path),
            None => tcp(&text),
        };
        let Some((way, place, local)) = read else {
            return Err(format!(
                "\"{text}\" is not an address: use host:port, http://host:port, https://host:port or unix:/path"
            ));
        };
        Ok(Self { way, place, local, text })
    }
}

fn unix(path: &str) -> Option<(Way, String, bool)> {
    let path = path.strip_prefix("//").unwrap_or(path);
    let is_path = path.len() > 1 && path.starts_with('/') && !path.starts_with("//") && !path.contains('\0');
    is_path.then(|| (Way::Unix, path.to_owned(), true))
}

fn tcp(text: &str) -> Option<(Way, String, bool)> {
    // The last one is the word of gRPC for HOST:PORT.
    let prefixes = [("https://", Way::Tls), ("http://", Way::Plain), ("dns:///", Way::Open)];
    let found = prefixes.iter().find_map(|(prefix, way)| Some((*way, text.strip_prefix(prefix)?)));
    let (way, place) = match found {
        Some((way, place)) => (way, place.strip_suffix('/').unwrap_or(place)),
        None => (Way::Open, text),
    };
    let (host, port) = place.rsplit_once(':')?;
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || port.parse::<u16>().ok()? == 0 {
        return None;
    }
    let bare = match host.strip_prefix('[') {
        Some(rest) => {
            let ip = rest.strip_suffix(']')?;
            ip.parse::<Ipv6Addr>().ok()?;
            ip
        }
        None => is_name(host).then_some(host)?,
    };
    Some((way, place.to_owned(), is_loopback(bare)))
}

/// Returns true for a name or an IPv4 address.
fn is_name(host: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let begins = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let ends = |byte: u8| begins(byte) || byte == b'.';
    let bytes = host.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    begins(*first) && (bytes.len() == 1 || ends(*last)) && bytes.iter().all(|byte| inner(*byte))
}

/// Returns true if a host is this machine.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Address::parse(text, |_| None)
    }

    #[test]
    fn every_address_of_the_grammar_is_understood() {
        for (text, way, place, local) in [
            ("127.0.0.1:50051", Way::Open, "127.0.0.1:50051", true),
            ("localhost:1", Way::Open, "localhost:1", true),
            ("LOCALHOST:1", Way::Open, "LOCALHOST:1", true),
            ("[::1]:50051", Way::Open, "[::1]:50051", true),
            ("[::ffff:127.0.0.1]:1", Way::Open, "[::ffff:127.0.0.1]:1", true),
            ("10.0.0.1:1", Way::Open, "10.0.0.1:1", false),
            ("http://127.0.0.1:50051", Way::Plain, "127.0.0.1:50051", true),
            ("http://a.b-c.d:65535/", Way::Plain, "a.b-c.d:65535", false),
            ("https://a:443", Way::Tls, "a:443", false),
            ("https://[::1]:443/", Way::Tls, "[::1]:443", true),
            ("unix:/run/hero.sock", Way::Unix, "/run/hero.sock", true),
            ("unix:///run/hero.sock", Way::Unix, "/run/hero.sock", true),
            ("unix:/a b%20?.sock", Way::Unix, "/a b%20?.sock", true),
            ("dns:///supervisor:1", Way::Open, "supervisor:1", false),
        ] {
            let expected = Address { text: text.to_owned(), way, place: place.to_owned(), local };
            assert_eq!(parse(text), Ok(expected));
        }
    }

    #[test]
    fn every_other_address_is_refused_with_the_grammar() {
        for text in [
            "x",
            "127.0.0.1",
            ":50051",
            "a:",
            "a:0",
            "a:65536",
            "a:http",
            "a:+1",
            " a:1",
            "a b:1",
            "::1:50051",
            "[a]:1",
            "http://",
            "http://a",
            "http://a:1/path",
            "http://u@a:1",
            "http://a:1?x",
            "ftp://a:1",
            "HTTP://a:1",
            "grpc://a:1",
            "https://",
            "https://http://a:1",
            "unix:",
            "unix:/",
            "unix:run/a",
            "unix://run/a",
            "unix:////a",
            "/run/hero.sock",
            "a:1/",
        ] {
            let told = format!(
                "\"{text}\" is not an address: use host:port, http://host:port, https://host:port or unix:/path"
            );
            assert_eq!(parse(text), Err(told));
        }
    }

    #[test]
    fn without_an_address_the_environment_names_the_server() {
        let variable = |name: &str| (name == SERVER_VARIABLE).then(|| "http://a:1".to_owned());
        assert_eq!(Address::parse("", variable), parse("http://a:1"));
        assert_eq!(Address::parse("b:2", variable), parse("b:2"));
        assert_eq!(parse(""), parse(DEFAULT_ADDRESS));
    }
}
