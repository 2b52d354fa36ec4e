//! The permit of one call: who makes it, and by which row of the table it is decided.

use std::sync::Arc;

use crate::domain::access::{Allowed, Denied, Identity, Role, Rule, Target, decide_by};
use crate::domain::model::job::JobSpec;

/// The identity that makes a call, and the call. A cheap clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    identity: Arc<Identity>,
    rule: &'static Rule,
}

impl Permit {
    /// Makes the permit of a call, which decides nothing yet.
    pub fn new(identity: Arc<Identity>, rule: &'static Rule) -> Self {
        Self { identity, rule }
    }

    /// Returns who makes the call.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the same, for what outlives the call.
    pub fn shared_identity(&self) -> Arc<Identity> {
        Arc::clone(&self.identity)
    }

    /// Returns the name of the call.
    pub fn rpc(&self) -> &'static str {
        self.rule.rpc
    }

    /// Decides about a part of the call.
    ///
    /// # Errors
    /// Why it is denied.
    pub fn decide(&self, target: Target<'_>) -> Result<Allowed, Denied> {
        decide_by(self.rule, &self.identity, target)
    }

    /// Returns true if every job may be seen whole, so that no job needs a look of its own.
    pub fn is_unlimited(&self) -> bool {
        let roles = self.identity.roles;
        roles.has(Role::Admin) || roles.has(Role::Operator)
    }

    /// Returns what may be shown of a job; None if it does not exist for the caller.
    pub fn job(&self, spec: &JobSpec) -> Option<Allowed> {
        self.decide(Target::Job(spec.into())).ok()
    }

    /// Returns true if values that look secret may be shown.
    pub fn sees_secrets(&self) -> bool {
        self.identity.roles.has(Role::Admin)
    }

    /// Returns true for callers who see only the jobs of their scopes.
    pub fn is_own_only(&self) -> bool {
        self.decide(Target::Call).is_ok_and(|allowed| allowed.own_only)
    }

    /// Returns whose calls share request ids with this one: those for the same callers. None for callers who see all jobs.
    pub fn request_scope(&self, spec: &JobSpec) -> Option<String> {
        self.is_own_only().then(|| spec.caller_id.clone())
    }
}
