//! Page tokens: where the next page starts, bound to the filters that the page before was made with.
//!
//! A token is the hexadecimal form of `1|digest|position`: opaque to callers, refused with other filters or by another
//! call, and versioned, so that a later server can tell an old one.

use prost::Message;
use sha2::{Digest, Sha256};

use crate::grpc::status::Failure;

/// The form of the token.
const VERSION: u8 = 1;
/// Enough to notice other filters; not a protection against forgery, which would win nothing.
const DIGEST_BYTES: usize = 8;
/// Longer ones are not ours.
const LONGEST: usize = 1024;

/// The filters of one list call, as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filters([u8; DIGEST_BYTES]);

impl Filters {
    /// Of this call with these filters: its request without page size and page token.
    pub(crate) fn of(call: &'static str, filters: &impl Message) -> Self {
        let digest = Sha256::new().chain_update(call).chain_update(filters.encode_to_vec()).finalize();
        let mut short = [0; DIGEST_BYTES];
        short.copy_from_slice(&digest[..DIGEST_BYTES]);
        Self(short)
    }

    /// The token of a page that starts at `position`.
    pub(crate) fn token(self, position: &str) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.0);
        bytes.extend_from_slice(position.as_bytes());
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The position of a token, None for the first page.
    pub(crate) fn position(self, token: &str) -> Result<Option<String>, Failure> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = unhex(token).ok_or_else(|| Failure::page_token("it is not a token of this server"))?;
        let Some((&VERSION, rest)) = bytes.split_first() else {
            return Err(Failure::page_token("it is from another version of the server"));
        };
        let Some((digest, position)) = rest.split_at_checked(DIGEST_BYTES) else {
            return Err(Failure::page_token("it is not a token of this server"));
        };
        if digest != self.0 {
            return Err(Failure::page_token("it was made for other filters or by another call"));
        }
        match std::str::from_utf8(position) {
            Ok(position) => Ok(Some(position.to_owned())),
            Err(_) => Err(Failure::page_token("it is not a token of this server")),
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() > LONGEST
        || !text.len().is_multiple_of(2)
        || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto as pb;

    fn filters(caller: &str) -> Filters {
        let request = pb::ListJobsRequest { caller_id: caller.to_owned(), ..Default::default() };
        Filters::of("ListJobs", &request)
    }

    #[test]
    fn a_token_leads_back_to_its_position_with_the_same_filters_only() {
        let token = filters("me").token("17.job-1");
        assert_eq!(filters("me").position(&token).unwrap().as_deref(), Some("17.job-1"));
        assert!(filters("you").position(&token).is_err());
        let other_call = Filters::of("ListActors", &pb::ListJobsRequest::default());
        assert!(other_call.position(&token).is_err());
        assert_eq!(filters("me").position("").unwrap(), None);
    }

    proptest::proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn no_text_is_mistaken_for_a_token(text in ".{1,80}") {
            proptest::prop_assert!(filters("me").position(&text).is_err());
        }
    }
}
