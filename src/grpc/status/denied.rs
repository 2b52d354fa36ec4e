//! Refusals because of who calls.

use std::time::Duration;

use tonic::Code;

use super::Failure;
use crate::domain::access::{Denied, Permit, Role};
use crate::proto::ErrorReason as Reason;

/// Delay before a repeat while the audit log cannot be written.
const AUDIT_RETRY: Duration = Duration::from_secs(5);

impl Failure {
    /// The caller has not shown who it is. The text is the same whatever is wrong with its credentials.
    pub(crate) fn token_invalid() -> Self {
        let message = "the call needs an identity, and none was shown that is valid now: send a valid token as \
                       `authorization: Bearer TOKEN`, or use a known client certificate";
        Self::new(Code::Unauthenticated, Reason::TokenInvalid, message)
    }

    /// The caller makes more calls than its quota allows.
    pub(crate) fn too_many_calls(permit: &Permit, after: Duration) -> Self {
        let limit = permit.identity().quotas.rps.unwrap_or_default();
        let message = format!("the caller may make {limit} calls a second here: wait {after:?}, and repeat");
        Self::new(Code::ResourceExhausted, Reason::QuotaExceeded, message)
            .with("quota", "rps")
            .with("limit", limit)
            .retry(after)
    }

    /// The call changes something, and cannot be noted.
    pub(crate) fn audit_unavailable(cause: &str) -> Self {
        let message = format!(
            "the call changes something, and the audit log of the supervisor cannot note it: {cause}; nothing was done, repeat \
             it once the log can be written"
        );
        Self::new(Code::Unavailable, Reason::AuditUnavailable, message)
            .with("cause", cause)
            .retry(AUDIT_RETRY)
    }

    /// The audit log cannot be read.
    pub(crate) fn audit_unreadable(cause: &str) -> Self {
        Self::new(Code::Unavailable, Reason::AuditUnavailable, cause.to_owned())
            .with("cause", cause)
            .retry(AUDIT_RETRY)
    }

    /// The caller may not do it.
    pub(crate) fn denied(permit: &Permit, denied: Denied) -> Self {
        let rpc = permit.rpc();
        let refused = |message: String, needed: String| {
            Self::new(Code::PermissionDenied, Reason::PermissionDenied, message)
                .with("rpc", rpc)
                .with("role", permit.identity().roles)
                .with("needed", needed)
        };
        let roles = permit.identity().roles;
        match denied {
            Denied::NoCredentials => Self::token_invalid(),
            Denied::NoSuchCall => Self::no_such_call(""),
            Denied::Role { needed } => {
                let needed = one_of(&needed);
                let message = format!("{rpc} needs the role {needed} for this, and the caller has {roles}");
                refused(message, needed)
            }
            Denied::Payloads => {
                let message = format!(
                    "{rpc} shows scripts, results or logs here, which the caller ({roles}) may not see: it needs see_payloads"
                );
                refused(message, "see_payloads".to_owned())
            }
            Denied::Scope { field, allowed } => {
                let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
                let message = format!("{field} is outside of what the caller may use: it may use {allowed}");
                refused(message, "scope".to_owned()).with("field", field).with("allowed", allowed)
            }
            // Handlers tell that there is no such job; this is for those that know none.
            Denied::Hidden => refused(format!("{rpc} is about a job of somebody else"), "scope".to_owned()),
        }
    }
}

fn one_of(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or ")
}
