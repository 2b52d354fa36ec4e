//! The id that a caller, or a proxy, has given a call.

use tonic::codegen::http::HeaderMap;

/// Metadata key of the id.
const REQUEST_ID: &str = "x-request-id";
/// Longest id in bytes. Longer ones are ignored, because the id is stored in every event.
const MAX_REQUEST_ID: usize = 128;

/// Returns the id of a call, if it has one.
pub(crate) fn of(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?.trim();
    (!id.is_empty() && id.len() <= MAX_REQUEST_ID).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, value.parse().unwrap());
        of(&headers)
    }

    #[test]
    fn a_call_bears_the_id_that_its_caller_gave_it() {
        assert_eq!(told("deploy-7"), Some("deploy-7".to_owned()));
        assert_eq!(of(&HeaderMap::new()), None);
    }

    #[test]
    fn what_is_no_name_is_not_kept() {
        assert_eq!(told(" "), None);
        assert_eq!(told(&"x".repeat(MAX_REQUEST_ID + 1)), None);
        assert_eq!(told(&"x".repeat(MAX_REQUEST_ID)).map(|id| id.len()), Some(MAX_REQUEST_ID));
    }
}
