//! Access: identities with their roles and scopes, and the one table of all calls.
//!
//! Pure: nothing here reads a file, a clock or a connection. [`decide`] is the only decision. What the table does not name is
//! denied.

mod decide;
mod identity;
mod matrix;
mod pattern;
mod permissions;
mod permit;
mod role;
mod rules;
mod scopes;
#[cfg(test)]
mod tests;
mod token;
mod token_table;

pub use decide::{Allowed, Denied, JobTarget, Target, decide, decide_by};
pub use identity::{Identity, IdentityKind, Quotas};
pub use matrix::{Anonymous, Grant, RULES, Rule, rule_of};
pub use pattern::Pattern;
pub use permissions::by_permissions;
pub use permit::Permit;
pub use role::{Role, Roles};
pub use rules::{CertificateRule, UnixRule, by_certificate, by_user};
pub use scopes::Scopes;
pub use token::{ID_BYTES, NewToken, SECRET_BYTES, TokenText, is_id, new_id};
pub use token_table::{PreviousSecret, StoredToken, TokenFault, TokenTable};
