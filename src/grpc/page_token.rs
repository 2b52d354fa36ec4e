//! Page tokens: the start of the next page, bound to the call and the filters of the page before.
//!
//! A token is the hexadecimal form of `version, digest, position`. It is opaque to callers, refused by another call or with
//! other filters, and versioned, so that a later server recognises an old one.

use prost::Message;
use sha2::{Digest, Sha256};

use crate::grpc::status::Failure;
use crate::hex;
use crate::proto as pb;

/// Version of the token format.
const VERSION: u8 = 1;
/// Bytes of the digest: enough to notice other filters. It is no protection against forgery, which would gain nothing.
const DIGEST_BYTES: usize = 8;
/// Longest token in characters.
const MAX_TOKEN: usize = 1024;
/// The fault of a token that no version of this server has made.
const FOREIGN: &str = "it is not a token of this server";

/// A request for a page of a list.
pub(crate) trait PageRequest: Message + Clone {
    /// Name of the call.
    const CALL: &'static str;

    /// Takes the token out of the request, and resets every other field that is no filter.
    fn strip(&mut self) -> String;
}

impl PageRequest for pb::ListActorsRequest {
    const CALL: &'static str = "ListActors";

    fn strip(&mut self) -> String {
        (self.page_size, self.view) = (0, 0);
        std::mem::take(&mut self.page_token)
    }
}

impl PageRequest for pb::ListJobsRequest {
    const CALL: &'static str = "ListJobs";

    fn strip(&mut self) -> String {
        self.page_size = 0;
        std::mem::take(&mut self.page_token)
    }
}

impl PageRequest for pb::ListQueuesRequest {
    const CALL: &'static str = "ListQueues";

    fn strip(&mut self) -> String {
        self.page_size = 0;
        std::mem::take(&mut self.page_token)
    }
}

impl PageRequest for pb::ListEventsRequest {
    const CALL: &'static str = "ListEvents";

    fn strip(&mut self) -> String {
        self.page_size = 0;
        std::mem::take(&mut self.page_token)
    }
}

impl PageRequest for pb::ListIdentitiesRequest {
    const CALL: &'static str = "ListIdentities";

    fn strip(&mut self) -> String {
        self.page_size = 0;
        std::mem::take(&mut self.page_token)
    }
}

impl PageRequest for pb::ListAuditEntriesRequest {
    const CALL: &'static str = "ListAuditEntries";

    fn strip(&mut self) -> String {
        self.page_size = 0;
        std::mem::take(&mut self.page_token)
    }
}

/// The token of a request, and the digest of its call and filters.
#[derive(Debug, Clone)]
pub(crate) struct PageToken {
    digest: [u8; DIGEST_BYTES],
    token: String,
}

impl PageToken {
    /// Reads the token and the filters of a request.
    pub(crate) fn of<R: PageRequest>(request: &R) -> Self {
        let mut filters = request.clone();
        let token = filters.strip();
        let hash = Sha256::new().chain_update(R::CALL).chain_update(filters.encode_to_vec()).finalize();
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&hash[..DIGEST_BYTES]);
        Self { digest, token }
    }

    /// Returns the token of the page that starts at `position`.
    pub(crate) fn next(&self, position: &str) -> String {
        hex::encode(&[&[VERSION], self.digest.as_slice(), position.as_bytes()].concat())
    }

    /// Returns the position at which the page starts; None for the first page.
    ///
    /// # Errors
    /// INVALID_PAGE_TOKEN for a token of another call, other filters, another version or another origin.
    pub(crate) fn position(&self) -> Result<Option<String>, Failure> {
        self.parse(|position| Some(position.to_owned()))
    }

    /// Returns the parsed position at which the page starts; None for the first page.
    ///
    /// # Errors
    /// Those of [`PageToken::position`]; INVALID_PAGE_TOKEN for a position that `parse` refuses.
    pub(crate) fn parse<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Failure> {
        if self.token.is_empty() {
            return Ok(None);
        }
        let bytes =
            Some(&self.token).filter(|token| token.len() <= MAX_TOKEN).and_then(|token| hex::decode(token));
        let bytes = bytes.ok_or_else(|| Failure::page_token(FOREIGN))?;
        let Some((&VERSION, rest)) = bytes.split_first() else {
            return Err(Failure::page_token("it is from another version of the server"));
        };
        let (digest, position) =
            rest.split_at_checked(DIGEST_BYTES).ok_or_else(|| Failure::page_token(FOREIGN))?;
        if digest != self.digest {
            return Err(Failure::page_token("it was made for other filters or by another call"));
        }
        let position = std::str::from_utf8(position).ok().and_then(parse);
        position.map(Some).ok_or_else(|| Failure::page_token(FOREIGN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(caller: &str, page_token: &str) -> pb::ListJobsRequest {
        pb::ListJobsRequest {
            caller_id: caller.to_owned(),
            page_token: page_token.to_owned(),
            page_size: 7,
            ..Default::default()
        }
    }

    fn position(caller: &str, token: &str) -> Result<Option<String>, Failure> {
        PageToken::of(&request(caller, token)).position()
    }

    #[test]
    fn a_token_leads_back_to_its_position_with_the_same_filters_only() {
        let token = PageToken::of(&request("me", "")).next("17.job-1");
        assert_eq!(position("me", &token).unwrap().as_deref(), Some("17.job-1"));
        assert!(position("you", &token).is_err());
        let other_call = pb::ListActorsRequest { page_token: token, ..Default::default() };
        assert!(PageToken::of(&other_call).position().is_err());
        assert_eq!(position("me", "").unwrap(), None);
    }

    #[test]
    fn tokens_of_earlier_servers_are_still_taken() {
        let filters = pb::ListJobsRequest { caller_id: "me".to_owned(), ..Default::default() };
        let hash = Sha256::new().chain_update("ListJobs").chain_update(filters.encode_to_vec()).finalize();
        let token = format!("01{}{}", hex::encode(&hash[..8]), hex::encode(b"17.job-1"));
        assert_eq!(position("me", &token).unwrap().as_deref(), Some("17.job-1"));
    }

    proptest::proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn no_text_is_mistaken_for_a_token(text in ".{1,80}") {
            proptest::prop_assert!(position("me", &text).is_err());
        }
    }
}
