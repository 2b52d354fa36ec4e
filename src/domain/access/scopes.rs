//! Scopes: of which jobs an identity may do what its roles allow.

use crate::domain::access::{Pattern, Role, Roles};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::Violations;

/// The jobs that an identity has to do with. A scope that is None was not written: then it is empty for a submitter, and
/// everything for other roles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes {
    /// Callers whose jobs are in the scope, by `caller_id`. The first one without a `*` is the caller of jobs that name
    /// none.
    pub callers: Option<Vec<Pattern>>,
    /// Contexts, by `context_id`. Jobs for the empty context need no scope.
    pub contexts: Option<Vec<Pattern>>,
    /// Script types.
    pub script_types: Option<Vec<Pattern>>,
    /// Single actors, by `target_actor_id`. Jobs for any actor need no scope.
    pub target_actors: Option<Vec<Pattern>>,
    /// Lets a viewer see scripts, environments, results and logs.
    pub see_payloads: bool,
}

impl Scopes {
    /// Returns scopes that let every job through.
    pub fn everything() -> Self {
        let any = || Some(vec![Pattern::any()]);
        Self {
            callers: any(),
            contexts: any(),
            script_types: any(),
            target_actors: any(),
            see_payloads: true,
        }
    }

    /// Returns the caller of jobs that name none.
    pub fn default_caller(&self) -> Option<&str> {
        self.callers.iter().flatten().find_map(Pattern::exact)
    }

    /// Returns true if a role may have to do with this caller.
    pub fn has_caller(&self, role: Role, caller: &str) -> bool {
        match &self.callers {
            Some(patterns) => any_matches(patterns, caller),
            None => is_open(role),
        }
    }

    /// Returns true if a role may have to do with this context.
    pub fn has_context(&self, role: Role, context: &str) -> bool {
        if context.is_empty() {
            return true;
        }
        match &self.contexts {
            Some(patterns) => any_matches(patterns, context),
            None => is_open(role),
        }
    }

    /// Returns true if a role may have to do with this script type.
    pub fn has_script_type(&self, role: Role, script_type: ScriptType) -> bool {
        let has = |types: &Vec<Pattern>| any_matches(types, script_type.as_str());
        self.script_types.as_ref().map_or_else(|| is_open(role), has)
    }

    /// Returns true if a role may submit jobs for this one actor; None means any actor.
    pub fn has_target(&self, role: Role, actor: Option<&str>) -> bool {
        match (actor, &self.target_actors) {
            (None, _) => true,
            (Some(actor), Some(patterns)) => any_matches(patterns, actor),
            (Some(_), None) => is_open(role),
        }
    }

    /// Checks that the scopes mean something for these roles.
    ///
    /// # Errors
    /// Every scope that is missing, or binds nobody.
    pub fn validate(&self, roles: Roles) -> Result<(), Violations> {
        let mut violations = Violations::new();
        let is_mighty = roles.has(Role::Operator) || roles.has(Role::Admin);
        let written = [
            ("callers", self.callers.is_some()),
            ("contexts", self.contexts.is_some()),
            ("script_types", self.script_types.is_some()),
            ("target_actors", self.target_actors.is_some()),
        ];
        for (name, _) in written.iter().filter(|(_, written)| *written && is_mighty) {
            violations
                .add(*name, format!("does not bind the roles {roles}: leave it out, or take a lesser role"));
        }
        if roles.has(Role::Submitter) && !is_mighty {
            const NEEDED: &str = "is missing: a submitter may only do what is written";
            if self.callers.as_ref().is_none_or(Vec::is_empty) {
                violations.add("callers", format!("{NEEDED}, callers = [\"billing\"] for instance"));
            }
            if self.script_types.as_ref().is_none_or(Vec::is_empty) {
                violations.add("script_types", format!("{NEEDED}, script_types = [\"python\"] for instance"));
            }
        }
        violations.into_result()
    }
}

/// Returns true if a scope that was not written is everything for the role.
fn is_open(role: Role) -> bool {
    match role {
        Role::Submitter => false,
        Role::Viewer | Role::Operator | Role::Admin => true,
    }
}

fn any_matches(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}
