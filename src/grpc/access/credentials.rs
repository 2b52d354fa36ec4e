//! Credentials of a request.

use tonic::codegen::http::HeaderMap;
use tonic::codegen::http::header::AUTHORIZATION;

use crate::grpc::peer::Peer;
use crate::ports::authenticator::{Credentials, Rejection};

/// Longest token, in bytes. JWTs with many claims have some kilobytes.
const LONGEST_TOKEN: usize = 8192;
/// The scheme of the header, in any case.
const SCHEME: &str = "bearer ";

/// Reads the credentials of a request.
///
/// # Errors
/// A header that is no bearer token, or more than one header: it is not guessed which of them counts.
pub(super) fn of<'a>(headers: &'a HeaderMap, peer: Option<&'a Peer>) -> Result<Credentials<'a>, Rejection> {
    Ok(Credentials {
        bearer: bearer(headers)?,
        certificate: peer.and_then(|peer| peer.certificates.first()).map(Vec::as_slice),
        user: peer.and_then(|peer| peer.unix).map(|unix| (unix.uid, unix.gid)),
    })
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() || value.len() > LONGEST_TOKEN + SCHEME.len() {
        return Err(Rejection::Malformed);
    }
    let text = value.to_str().map_err(|_not_ascii| Rejection::Malformed)?;
    let scheme = text.get(..SCHEME.len()).ok_or(Rejection::Malformed)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(Rejection::Malformed);
    }
    Ok(Some(text[SCHEME.len()..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::codegen::http::HeaderValue;

    fn read(values: &[&[u8]]) -> Result<Option<String>, Rejection> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        of(&headers, None).map(|credentials| credentials.bearer.map(str::to_owned))
    }

    #[test]
    fn one_bearer_token_is_read_and_everything_else_is_malformed() {
        assert_eq!(read(&[]), Ok(None));
        for right in [b"Bearer abc".as_slice(), b"bearer abc", b"BEARER  abc "] {
            assert_eq!(read(&[right]), Ok(Some("abc".to_owned())));
        }
        let long = [SCHEME.as_bytes(), &vec![b'x'; LONGEST_TOKEN + 1]].concat();
        let table: [&[&[u8]]; 7] = [
            &[b""],
            &[b"Bearer"],
            &[b"Basic abc"],
            &[b"hst_abc"],
            &[b"Bearer \xff"],
            &[b"Bearer abc", b"Bearer abc"],
            &[&long],
        ];
        for wrong in table {
            assert_eq!(read(wrong), Err(Rejection::Malformed), "{wrong:?}");
        }
    }
}
