//! Identities: who calls.

use std::fmt;
use std::time::SystemTime;

use crate::domain::access::{Role, Roles, Scopes};
use crate::domain::model::job::JobQuota;

/// The proof by which an identity was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentityKind {
    /// A token of the token file.
    Token,
    /// A client certificate.
    Certificate,
    /// The user of the process, on a unix socket.
    Unix,
    /// A signed token of an identity provider.
    Jwt,
    /// No proof.
    Anonymous,
    /// No proof, where none is needed.
    Local,
}

impl IdentityKind {
    /// Returns the word for the kind, as in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Unix => "unix",
            Self::Jwt => "jwt",
            Self::Anonymous => "anonymous",
            Self::Local => "local",
        }
    }
}

/// A caller, and its rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The proof by which the identity was recognised.
    pub kind: IdentityKind,
    /// The public id: that of the token, the subject of the JWT, the name in the certificate, the number of the user.
    pub id: String,
    /// The name for people; may be empty.
    pub name: String,
    /// Roles of the identity.
    pub roles: Roles,
    /// Scopes of the identity: the jobs that its roles are about.
    pub scopes: Scopes,
    /// Quotas of the identity.
    pub quotas: Quotas,
    /// Calls that it may make whatever its roles are. Only a caller without credentials has some.
    pub calls: Vec<&'static str>,
    /// End of the identity, if it has one.
    pub not_after: Option<SystemTime>,
}

/// Most that an identity may ask for. None means no limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quotas {
    /// Most calls a second, at each supervisor.
    pub rps: Option<u32>,
    /// Most unfinished jobs.
    pub jobs: JobQuota,
}

impl Identity {
    /// Makes an identity without scopes and limits.
    pub fn new(kind: IdentityKind, id: impl Into<String>, roles: impl Into<Roles>) -> Self {
        Self {
            kind,
            id: id.into(),
            name: String::new(),
            roles: roles.into(),
            scopes: Scopes::default(),
            quotas: Quotas::default(),
            calls: Vec::new(),
            not_after: None,
        }
    }

    /// Returns the identity of everybody while authentication is off.
    pub fn local() -> Self {
        Self::new(IdentityKind::Local, "", Role::Admin)
    }

    /// Returns the identity of a caller without credentials while authentication is on. It may make these calls.
    pub fn anonymous(calls: Vec<&'static str>) -> Self {
        Self { calls, ..Self::new(IdentityKind::Anonymous, "", Roles::NONE) }
    }

    /// Returns true if the identity has ended.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.not_after.is_some_and(|end| now >= end)
    }

    /// Returns how the identity is named in events, logs and records: kind and id. None for one that nobody has shown.
    pub fn label(&self) -> Option<String> {
        match self.kind {
            IdentityKind::Local | IdentityKind::Anonymous => None,
            IdentityKind::Token | IdentityKind::Certificate | IdentityKind::Unix | IdentityKind::Jwt => {
                Some(self.to_string())
            }
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id.as_str() {
            "" => f.write_str(self.kind.as_str()),
            id => write!(f, "{}:{id}", self.kind.as_str()),
        }
    }
}
