//! The one table of all calls: which role may make which.
//!
//! A call that is not in the table is denied to everybody. A test compares the table with the contract.

use crate::domain::access::Role;
use Grant::{Basic, No, Own, Part, Payloads, Yes};

/// Rights of a role on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Nothing.
    No,
    /// Full rights on the jobs of its scopes; other jobs do not exist for it.
    Own,
    /// A part: what the call changes or shows beyond it needs another role.
    Part,
    /// Rights on all but scripts, environments, results and logs; on these as well, if it may see payloads.
    Basic,
    /// Full rights, if it may see payloads; otherwise none.
    Payloads,
    /// Full rights.
    Yes,
}

/// One row of the table. An admin may make every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The call: its name in the contract, or service and name of a call of another service.
    pub rpc: &'static str,
    /// Rights without any credentials.
    pub anonymous: Anonymous,
    /// Rights of a viewer.
    pub viewer: Grant,
    /// Rights of a submitter.
    pub submitter: Grant,
    /// Rights of an operator.
    pub operator: Grant,
}

/// Rights of callers without credentials on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymous {
    /// The call is never allowed.
    Never,
    /// The call is allowed if the configuration says so.
    IfConfigured,
    /// The call is always allowed: load balancers ask so.
    Always,
}

impl Rule {
    /// Returns what a role may do with the call.
    pub const fn grant(&self, role: Role) -> Grant {
        match role {
            Role::Viewer => self.viewer,
            Role::Submitter => self.submitter,
            Role::Operator => self.operator,
            Role::Admin => Grant::Yes,
        }
    }

    /// Returns the roles that may make the call, the least mighty first.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        let rule = *self;
        Role::ALL.into_iter().filter(move |role| rule.grant(*role) != Grant::No)
    }
}

/// Returns the row of a call; None for a call that there is not.
pub fn rule_of(rpc: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.rpc == rpc)
}

const fn row(rpc: &'static str, viewer: Grant, submitter: Grant, operator: Grant) -> Rule {
    Rule { rpc, anonymous: Anonymous::Never, viewer, submitter, operator }
}

const fn open(rpc: &'static str, anonymous: Anonymous) -> Rule {
    Rule { anonymous, ..row(rpc, Grant::Yes, Grant::Yes, Grant::Yes) }
}

/// The rows, in the order of the contract.
#[rustfmt::skip]
pub const RULES: [Rule; 49] = [
    //   call                   viewer    submitter  operator
    open("GetServerInfo",       Anonymous::IfConfigured),
    row("CreateLoginCode",      Yes,      Yes,       Yes),
    row("CreateActor",          No,       No,        No),
    row("GetActor",             Basic,    No,        Yes),
    row("ListActors",           Basic,    No,        Yes),
    row("UpdateActor",          No,       No,        No),
    row("DeleteActor",          No,       No,        No),
    row("StartActor",           No,       No,        Yes),
    row("StopActor",            No,       No,        Yes),
    row("RestartActor",         No,       No,        Yes),
    row("StartActors",          No,       No,        Yes),
    row("StopActors",           No,       No,        Yes),
    row("RestartActors",        No,       No,        Yes),
    row("StreamActorLogs",      Payloads, No,        Yes),
    row("ListNodes",            Yes,      No,        Yes),
    row("ListScriptTypes",      Basic,    Part,      Yes),
    row("GetScriptType",        Basic,    Part,      Yes),
    row("UpdateScriptType",     No,       No,        Part),
    row("ScaleActors",          No,       No,        Yes),
    row("PauseQueue",           No,       No,        Yes),
    row("ResumeQueue",          No,       No,        Yes),
    row("PurgeQueue",           No,       No,        Yes),
    row("CreateQueue",          No,       No,        Yes),
    row("GetQueue",             Yes,      No,        Yes),
    row("UpdateQueue",          No,       No,        Part),
    row("ListQueues",           Yes,      No,        Yes),
    row("DeleteQueue",          No,       No,        Yes),
    row("CheckHealth",          Part,     No,        Yes),
    row("WatchHealth",          Basic,    No,        Yes),
    row("SubmitJob",            No,       Own,       Yes),
    row("SubmitJobs",           No,       Own,       Yes),
    row("RunJob",               No,       Own,       Yes),
    row("AwaitJob",             Basic,    Own,       Yes),
    row("GetJob",               Basic,    Own,       Yes),
    row("ExplainJob",           Basic,    Own,       Yes),
    row("ListJobs",             Basic,    Own,       Yes),
    row("CancelJob",            No,       Own,       Yes),
    row("UpdateJob",            No,       Own,       Yes),
    row("RetryJob",             No,       Own,       Yes),
    row("DeleteJob",            No,       Own,       Yes),
    row("WatchJob",             Basic,    Own,       Yes),
    row("WatchEvents",          Basic,    Own,       Yes),
    row("ListEvents",           Basic,    Own,       Yes),
    row("ListIdentities",       No,       No,        No),
    row("ListAuditEntries",     No,       No,        No),
    // Calls of other services.
    open("grpc.health.v1.Health/Check",                                 Anonymous::Always),
    open("grpc.health.v1.Health/Watch",                                 Anonymous::Always),
    open("grpc.reflection.v1.ServerReflection/ServerReflectionInfo",      Anonymous::IfConfigured),
    open("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Anonymous::IfConfigured),
];
