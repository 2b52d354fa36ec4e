//! What the handlers of changing calls share: the cause that events name, and the time that is left.

use std::time::Duration;

use tonic::Request;
use tonic::metadata::MetadataMap;

use super::SupervisorService;
use crate::domain::access::Permit;
use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::event::{Cause, Source};
use crate::domain::model::violation::Violations;
use crate::grpc::access::{Sight, permit};
use crate::grpc::deadline::{effective_wait, time_left};
use crate::grpc::parse;
use crate::grpc::status::Failure;

/// Metadata key of the request id, as callers and proxies set it.
const REQUEST_ID: &str = "x-request-id";
/// Longest request id in bytes. Longer ones are ignored, because the id is stored in every event.
const MAX_REQUEST_ID: usize = 128;

/// One call under way.
#[derive(Debug)]
pub(super) struct Call {
    /// The manager, whose events name this call as their cause.
    pub(super) manager: ActorLifecycleManager,
    /// Who makes the call.
    pub(super) permit: Permit,
    /// What the caller may see of the answer.
    pub(super) sight: Sight,
    time_left: Option<Duration>,
}

impl Call {
    /// Returns the longest wait: the least of `max_wait`, the time left of the deadline, and the limit of the server.
    pub(super) fn wait(&self, max_wait: Option<Duration>) -> Duration {
        effective_wait(max_wait, self.time_left)
    }
}

impl SupervisorService {
    /// Takes a request apart; `reason` is the caller's reason.
    ///
    /// # Errors
    /// A violation of `reason` if it is too long or has hidden characters; a request without a permit.
    pub(super) fn call<T>(
        &self,
        request: Request<T>,
        reason: impl FnOnce(&T) -> &str,
    ) -> Result<(Call, T), Failure> {
        let reason = reason(request.get_ref()).to_owned();
        let mut violations = Violations::new();
        parse::check_reason(&reason, &mut violations);
        violations.into_result()?;
        let permit = permit(&request)?;
        let request_id = request_id(request.metadata());
        let identity = permit.identity().label();
        let cause = Cause { source: Source::Caller, request_id, reason, identity };
        let (manager, sight) = (self.lifecycle.on_behalf_of(cause), Sight::of(&permit));
        let call = Call { manager, permit, sight, time_left: time_left(request.metadata()) };
        Ok((call, request.into_inner()))
    }
}

/// The reason of a call whose request has no field for one.
pub(super) fn no_reason<T>(_: &T) -> &str {
    ""
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
