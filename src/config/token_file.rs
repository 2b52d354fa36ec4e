//! The file with tokens: `[[token]]` tables, each with the digest of a secret, its roles and its scopes.
//!
//! The file is read as a whole or not at all: a file with one mistake changes nothing. It is written to a temporary file beside it,
//! which takes its place at once, so that a reader never sees half of it; a lock file keeps two writers apart.

mod edit;
pub(crate) mod write;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::grant;
use super::table::Table;
use crate::domain::access::{Identity, IdentityKind, PreviousSecret, StoredToken, is_id};
use crate::domain::model::violation::Violations;
use crate::hex;
use crate::private_file::{PrivateFileError, read_private};

pub use edit::{TokenFileEdit, TokenGrant};

/// The key of the tables.
const KEY: &str = "token";
/// The error of a token file.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The file cannot be read, or others can read it.
    #[error(transparent)]
    NotRead(#[from] PrivateFileError),
    /// The file cannot be written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The attempt: `read` for instance.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file is no TOML, or breaks a rule.
    #[error("{} is not valid: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All mistakes.
        what: String,
    },
    /// There is no such token.
    #[error("there is no token {0:?} in the file; `token ls` has those that there are")]
    NotFound(String),
}

/// Reads the tokens of a file.
///
/// # Errors
/// A file that cannot be read, that others can read, or that has any mistake; all mistakes are named.
pub fn read_tokens(path: &Path) -> Result<Vec<StoredToken>, TokenFileError> {
    parse(path, &read(path)?)
}

/// Reads the text of a file that only its owner can read.
fn read(path: &Path) -> Result<String, TokenFileError> {
    let invalid = |what: String| TokenFileError::Invalid { path: path.to_owned(), what };
    String::from_utf8(read_private(path)?).map_err(|_not_text| invalid("it is not UTF-8".to_owned()))
}

/// Parses the text of a file.
fn parse(path: &Path, text: &str) -> Result<Vec<StoredToken>, TokenFileError> {
    let invalid = |what: String| TokenFileError::Invalid { path: path.to_owned(), what };
    // The error of the parser quotes a line, which may have a digest, but never a secret.
    let values: Dict = Toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let mut violations = Violations::new();
    let mut root = Table::new(&values, &mut violations);
    let tables: Vec<Dict> = root.get(KEY).unwrap_or_default();
    root.refuse_unknown();
    let mut ids = BTreeSet::new();
    let mut tokens = Vec::with_capacity(tables.len());
    for (index, table) in tables.iter().enumerate() {
        let mut part = Violations::new();
        let token = one(table, &mut part);
        if let Some(token) = &token
            && !ids.insert(token.identity.id.clone())
        {
            part.add("id", format!("is {:?}, and so is that of another one", token.identity.id));
        }
        violations.nest(&format!("{KEY}[{index}]"), part);
        tokens.extend(token);
    }
    match violations.is_empty() {
        true => Ok(tokens),
        false => Err(invalid(violations.to_string())),
    }
}

fn one(table: &Dict, violations: &mut Violations) -> Option<StoredToken> {
    let mut table = Table::new(table, violations);
    let id: String = table.required("id");
    if !id.is_empty() && !is_id(&id) {
        table.wrong("id", format!("is {id:?}: use 1 to 64 of a-z, 0-9 and -"));
    }
    let digest = digest(&mut table, "sha256");
    let previous = digest_of_previous(&mut table);
    let (not_after, created_at) = (time(&mut table, "not_after"), time(&mut table, "created_at"));
    let grant = grant::read(&mut table);
    table.refuse_unknown();
    let identity = Identity {
        name: grant.name,
        scopes: grant.scopes,
        quotas: grant.quotas,
        not_after,
        ..Identity::new(IdentityKind::Token, id, grant.roles)
    };
    Some(StoredToken { identity, digest: digest?, previous, created_at })
}

/// Reads a digest, which is required.
fn digest(table: &mut Table<'_>, key: &'static str) -> Option<[u8; 32]> {
    let text: String = table.required(key);
    if text.is_empty() {
        return None;
    }
    let decoded = hex::decode(&text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    table.keep(key, decoded.ok_or_else(|| "is not a SHA-256: use 64 hexadecimal digits".to_owned()))
}

/// Reads the secret before the last rotation: both keys or none.
fn digest_of_previous(table: &mut Table<'_>) -> Option<PreviousSecret> {
    let text: Option<String> = table.get("previous_sha256");
    let not_after = time(table, "previous_not_after");
    let decoded =
        text.as_deref().map(|text| hex::decode(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()));
    match (decoded, not_after) {
        (None, None) => None,
        (Some(Some(digest)), Some(not_after)) => Some(PreviousSecret { digest, not_after }),
        (Some(None), _) => {
            table.wrong("previous_sha256", "is not a SHA-256: use 64 hexadecimal digits");
            None
        }
        (Some(Some(_)), None) | (None, Some(_)) => {
            table.wrong("previous_sha256", "and previous_not_after go together: write both or none");
            None
        }
    }
}

/// Reads a time in the form of RFC 3339, as a text or as a date of TOML.
fn time(table: &mut Table<'_>, key: &'static str) -> Option<SystemTime> {
    let value: Value = table.get(key)?;
    let text = match &value {
        Value::String(_, text) => Some(text.as_str()),
        // The form in which the parser passes a date of TOML on.
        Value::Dict(_, date) => date.values().next().and_then(Value::as_str),
        Value::Char(..) | Value::Bool(..) | Value::Num(..) | Value::Empty(..) | Value::Array(..) => None,
    };
    let parsed = text.and_then(|text| humantime::parse_rfc3339(text).ok());
    table.keep(key, parsed.ok_or_else(|| "is not a time: use 2027-06-30T00:00:00Z".to_owned()))
}

#[cfg(test)]
mod tests;
