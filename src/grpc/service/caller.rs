//! On whose behalf a call acts, as events tell it.

use tonic::metadata::MetadataMap;

use super::SupervisorService;
use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::event::{Cause, Source};
use crate::domain::model::violation::Violations;
use crate::grpc::parse;

/// Where callers and proxies name a call.
const REQUEST_ID: &str = "x-request-id";
/// A longer one is no name, and would stand in every event.
const MAX_REQUEST_ID: usize = 128;

impl SupervisorService {
    /// The manager for one call.
    ///
    /// # Errors
    /// A reason that is too long.
    pub(super) fn on_behalf_of(
        &self,
        metadata: &MetadataMap,
        reason: &str,
    ) -> Result<ActorLifecycleManager, Violations> {
        let mut violations = Violations::new();
        parse::check_reason(reason, &mut violations);
        violations.into_result()?;
        let request_id = request_id(metadata);
        Ok(self.lifecycle.on_behalf_of(Cause {
            source: Source::Caller,
            request_id,
            reason: reason.to_owned(),
        }))
    }
}

fn request_id(metadata: &MetadataMap) -> Option<String> {
    let id = metadata.get(REQUEST_ID)?.to_str().ok()?.trim();
    (!id.is_empty() && id.len() <= MAX_REQUEST_ID).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Option<String> {
        let mut metadata = MetadataMap::new();
        metadata.insert(REQUEST_ID, value.parse().unwrap());
        request_id(&metadata)
    }

    #[test]
    fn a_call_bears_the_id_that_its_caller_gave_it() {
        assert_eq!(of("deploy-7"), Some("deploy-7".to_owned()));
        assert_eq!(request_id(&MetadataMap::new()), None);
    }

    #[test]
    fn what_is_no_name_is_not_kept() {
        assert_eq!(of(" "), None);
        assert_eq!(of(&"x".repeat(MAX_REQUEST_ID + 1)), None);
        assert_eq!(of(&"x".repeat(MAX_REQUEST_ID)).map(|id| id.len()), Some(MAX_REQUEST_ID));
    }
}
