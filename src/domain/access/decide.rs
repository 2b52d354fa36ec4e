//! The decision: may this identity make this call, about this job?

use crate::domain::access::matrix::{Anonymous, Grant, Rule, rule_of};
use crate::domain::access::{Identity, IdentityKind, Pattern, Role};
use crate::domain::model::job::JobSpec;
use crate::domain::model::script_type::ScriptType;

/// The target of a call, as far as it is known when the question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// Nothing is known yet but the call.
    Call,
    /// The part of a call that only some of those who may make the call may do.
    Whole,
    /// A job that exists.
    Job(JobTarget<'a>),
    /// A job that is to be submitted.
    NewJob(JobTarget<'a>),
}

/// The parts of a job that scopes go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobTarget<'a> {
    /// Caller of the job.
    pub caller: &'a str,
    /// Context of the job.
    pub context: &'a str,
    /// Script type of the job.
    pub script_type: ScriptType,
    /// Single actor of the job.
    pub actor: Option<&'a str>,
}

impl<'a> From<&'a JobSpec> for JobTarget<'a> {
    fn from(spec: &'a JobSpec) -> Self {
        Self {
            caller: &spec.caller_id,
            context: &spec.context_id,
            script_type: spec.script_type,
            actor: spec.target_actor.as_ref().map(|actor| actor.as_str()),
        }
    }
}

/// Rights of a caller on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Only jobs of its scopes, and events about them.
    pub own_only: bool,
    /// Scripts, environments, results and logs are shown.
    pub payloads: bool,
    /// The whole call, and not only a part of it.
    pub whole: bool,
}

impl Allowed {
    /// All rights.
    pub const ALL: Self = Self { own_only: false, payloads: true, whole: true };
}

/// Reason of a denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// The call does not exist.
    NoSuchCall,
    /// The caller has shown no credentials, and the call needs some.
    NoCredentials,
    /// The caller's roles do not allow it.
    Role {
        /// The roles that do, the least mighty first.
        needed: Vec<Role>,
    },
    /// The answer shows scripts, environments, results or logs, which the caller may not see.
    Payloads,
    /// A field has a value outside of the caller's scopes.
    Scope {
        /// The field, as in the contract.
        field: &'static str,
        /// The values that are allowed.
        allowed: Vec<String>,
    },
    /// The job is none of the caller's, so it does not exist for the caller.
    Hidden,
}

impl Denied {
    /// Returns the word in the audit log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NoSuchCall => "no_such_call",
            Self::NoCredentials => "missing",
            Self::Role { .. } => "role",
            Self::Payloads => "payloads",
            Self::Scope { .. } => "scope",
            Self::Hidden => "hidden",
        }
    }
}

/// Decides. What no row and no role of the identity allows is denied.
///
/// # Errors
/// Why it is denied.
pub fn decide(identity: &Identity, rpc: &str, target: Target<'_>) -> Result<Allowed, Denied> {
    decide_by(rule_of(rpc).ok_or(Denied::NoSuchCall)?, identity, target)
}

/// Decides by a row of the table.
///
/// # Errors
/// Why it is denied.
pub fn decide_by(rule: &Rule, identity: &Identity, target: Target<'_>) -> Result<Allowed, Denied> {
    if identity.roles.has(Role::Admin) {
        return Ok(Allowed::ALL);
    }
    let mut denied = None;
    let mut allowed = None;
    for role in identity.roles.iter() {
        match by_role(identity, role, rule, target) {
            Ok(more) => allowed = Some(allowed.map_or(more, |so_far: Allowed| so_far.or(more))),
            Err(why) => denied = denied.or(why),
        }
    }
    if let Some(allowed) = allowed {
        return Ok(allowed);
    }
    if is_open(identity, rule) && target == Target::Call {
        return Ok(Allowed { own_only: true, payloads: false, whole: false });
    }
    Err(denied.unwrap_or_else(|| match identity.kind == IdentityKind::Anonymous {
        true => Denied::NoCredentials,
        false => Denied::Role { needed: needed(rule, target) },
    }))
}

/// Returns true if the call needs no role.
fn is_open(identity: &Identity, rule: &Rule) -> bool {
    match rule.anonymous {
        Anonymous::Always => true,
        Anonymous::IfConfigured => identity.calls.contains(&rule.rpc),
        Anonymous::Never => false,
    }
}

/// Decides by one role; an error of None means that the role has nothing to do with it.
fn by_role(
    identity: &Identity,
    role: Role,
    rule: &Rule,
    target: Target<'_>,
) -> Result<Allowed, Option<Denied>> {
    let sees = identity.scopes.see_payloads;
    let allowed = match rule.grant(role) {
        Grant::No => return Err(None),
        Grant::Payloads if !sees => return Err(Some(Denied::Payloads)),
        Grant::Yes | Grant::Payloads => Allowed::ALL,
        Grant::Own => Allowed { own_only: true, ..Allowed::ALL },
        Grant::Basic => Allowed { payloads: sees, ..Allowed::ALL },
        Grant::Part => Allowed { own_only: false, payloads: false, whole: false },
    };
    match target {
        Target::Call => Ok(allowed),
        Target::Whole if allowed.whole => Ok(allowed),
        Target::Whole => Err(None),
        Target::Job(job) => match outside(identity, role, job) {
            None => Ok(allowed),
            Some(_field) => Err(Some(Denied::Hidden)),
        },
        Target::NewJob(job) => {
            let refused = outside(identity, role, job).or_else(|| outside_target(identity, role, job));
            refused.map_or(Ok(allowed), |field| Err(Some(scope(identity, field))))
        }
    }
}

/// Returns the field that puts a job out of the scopes.
fn outside(identity: &Identity, role: Role, job: JobTarget<'_>) -> Option<&'static str> {
    let scopes = &identity.scopes;
    let fields = [
        ("caller_id", scopes.has_caller(role, job.caller)),
        ("context_id", scopes.has_context(role, job.context)),
        ("script_type", scopes.has_script_type(role, job.script_type)),
    ];
    fields.into_iter().find(|(_, inside)| !inside).map(|(field, _)| field)
}

/// The same for the one actor of a job. It limits what is submitted, not what is seen.
fn outside_target(identity: &Identity, role: Role, job: JobTarget<'_>) -> Option<&'static str> {
    (!identity.scopes.has_target(role, job.actor)).then_some("target_actor_id")
}

/// Makes the denial of a value that the scope of a field does not allow.
fn scope(identity: &Identity, field: &'static str) -> Denied {
    let scopes = &identity.scopes;
    let patterns = match field {
        "caller_id" => &scopes.callers,
        "context_id" => &scopes.contexts,
        "script_type" => &scopes.script_types,
        _target_actor_id => &scopes.target_actors,
    };
    Denied::Scope { field, allowed: patterns.iter().flatten().map(Pattern::to_string).collect() }
}

/// Returns the roles that allow the target.
fn needed(rule: &Rule, target: Target<'_>) -> Vec<Role> {
    let whole = target == Target::Whole;
    rule.roles().filter(|role| !whole || rule.grant(*role) != Grant::Part).collect()
}

impl Allowed {
    /// Checks that scripts, environments, results and logs may be shown.
    ///
    /// # Errors
    /// Denied if not.
    pub const fn payloads(self) -> Result<(), Denied> {
        if self.payloads { Ok(()) } else { Err(Denied::Payloads) }
    }

    /// Returns what either of two allows.
    fn or(self, other: Self) -> Self {
        Self {
            own_only: self.own_only && other.own_only,
            payloads: self.payloads || other.payloads,
            whole: self.whole || other.whole,
        }
    }
}
