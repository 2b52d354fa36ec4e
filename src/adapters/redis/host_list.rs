//! URLs that name several servers: their addresses, and connections like that of the URL to each of them.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError};

/// Makes a connection like that of the URL to another address.
pub(super) fn at(url: &str, host: &str, port: u16) -> Result<ConnectionInfo, RedisError> {
    let info = url.into_connection_info()?;
    let addr = match info.addr() {
        ConnectionAddr::TcpTls { insecure, .. } => {
            ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: *insecure, tls_params: None }
        }
        ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) => ConnectionAddr::Tcp(host.to_owned(), port),
        _other => return Err((redis::ErrorKind::InvalidClientConfig, "no address").into()),
    };
    Ok(info.set_addr(addr))
}

/// Splits before a mark, which stays with the second part.
pub(super) fn split(text: &str, mark: char) -> (&str, &str) {
    text.find(mark).map_or((text, ""), |begin| text.split_at(begin))
}

/// Splits behind the login with its `@`, which is empty if there is none.
pub(super) fn split_login(authority: &str) -> (&str, &str) {
    match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    }
}

/// Reads addresses that are separated by commas; None if one of them is none. `port` stands for one that is not given.
pub(super) fn addresses(hosts: &str, port: u16) -> Option<Vec<(String, u16)>> {
    hosts.split(',').map(|text| address(text, port)).collect()
}

/// The host and the port of a server; None if one of them is none.
fn address(text: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => (host, port.parse().ok()?),
        Some(_) | None => (text, default),
    };
    let host = host.strip_prefix('[').map_or(Some(host), |host| host.strip_suffix(']'))?;
    (!host.is_empty() && port > 0).then(|| (host.to_owned(), port))
}
