//! Roles: what kind of thing an identity may do.

use std::fmt;

/// A role, in the order of what it can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads and watches; scripts, results and logs only with `see_payloads`.
    Viewer,
    /// Submits, reads and cancels the jobs of its own callers.
    Submitter,
    /// Steers actors, queues and all jobs.
    Operator,
    /// An admin may do everything. Since it can define programs, it is as mighty as the user that runs them.
    Admin,
}

impl Role {
    /// All roles, the least mighty first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Submitter, Self::Operator, Self::Admin];

    /// Returns the word for the role.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Submitter => "submitter",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Parses the word for a role.
    ///
    /// # Errors
    /// The fault, with the words that there are.
    pub fn parse(word: &str) -> Result<Self, String> {
        const WORDS: &str = "use viewer, submitter, operator or admin";
        if word == "worker" {
            return Err(format!("is \"worker\", which is kept for later and allows nothing yet: {WORDS}"));
        }
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == word)
            .ok_or_else(|| format!("is {}: {WORDS}", crate::domain::model::text::quoted(word)))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The roles of one identity. It may do what any of them allows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Roles(u8);

impl Roles {
    /// No role: an identity without one may do next to nothing.
    pub const NONE: Self = Self(0);

    /// Returns true if this role is among them.
    pub const fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// Returns the roles, the least mighty first.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }

    /// Returns true without any role.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns these roles and one more.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | (1 << role as u8))
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Self::NONE.with(role)
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Role::as_str).collect();
        f.write_str(if words.is_empty() { "none".to_owned() } else { words.join(", ") }.as_str())
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
