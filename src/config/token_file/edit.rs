//! Changes of a token file. Comments and the order of its tables stay as they are.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::write::{WriteLock, replace};
use super::{KEY, TokenFileError, parse, read};
use crate::domain::access::{NewToken, StoredToken};
use crate::hex;
use crate::private_file::PrivateFileError;

/// First lines of a new file.
const HEADER: &str = "# Who may call. `hero-supervisor token` writes this file; it can be edited by hand, too.\n\
                      # sha256 is the digest of a secret. The secret itself is nowhere.\n";

/// Rights of a new token, as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenGrant {
    /// Name for people; may be empty.
    pub name: String,
    /// Roles.
    pub roles: Vec<String>,
    /// Patterns of callers.
    pub callers: Vec<String>,
    /// Patterns of contexts.
    pub contexts: Vec<String>,
    /// Script types.
    pub script_types: Vec<String>,
    /// Patterns of actors that jobs may be for.
    pub target_actors: Vec<String>,
    /// Lets a viewer see scripts, results and logs.
    pub see_payloads: bool,
    /// Most calls a second.
    pub rps: Option<u32>,
    /// Most jobs that wait.
    pub max_queued: Option<u32>,
    /// Most jobs that run.
    pub max_running: Option<u32>,
    /// The end of its time.
    pub not_after: Option<SystemTime>,
}

/// A token file that is being changed; other writers wait.
pub struct TokenFileEdit {
    path: PathBuf,
    document: DocumentMut,
    _lock: WriteLock,
}

impl TokenFileEdit {
    /// Opens a file for a change. One that there is not is empty.
    ///
    /// # Errors
    /// A file that cannot be used as it is: it is not changed then.
    pub fn open(path: &Path) -> Result<Self, TokenFileError> {
        let lock = WriteLock::take(path)?;
        let text = match read(path) {
            Ok(text) => text,
            Err(TokenFileError::NotRead(PrivateFileError::Unreadable { source, .. }))
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                HEADER.to_owned()
            }
            Err(error) => return Err(error),
        };
        parse(path, &text)?;
        let invalid = |error: toml_edit::TomlError| TokenFileError::Invalid {
            path: path.to_owned(),
            what: error.to_string(),
        };
        let document = text.parse().map_err(invalid)?;
        Ok(Self { path: path.to_owned(), document, _lock: lock })
    }

    /// Returns the tokens as they are now.
    ///
    /// # Errors
    /// A change that broke a rule.
    pub fn tokens(&self) -> Result<Vec<StoredToken>, TokenFileError> {
        parse(&self.path, &self.document.to_string())
    }

    /// Adds a token.
    pub fn add(&mut self, token: &NewToken, grant: &TokenGrant, now: SystemTime) {
        let mut table = Table::new();
        table["id"] = value(token.id.as_str());
        if !grant.name.is_empty() {
            table["name"] = value(grant.name.as_str());
        }
        table["sha256"] = value(hex::encode(&token.digest));
        table["roles"] = list(&grant.roles);
        let lists = [
            ("callers", &grant.callers),
            ("contexts", &grant.contexts),
            ("script_types", &grant.script_types),
            ("target_actors", &grant.target_actors),
        ];
        for (key, patterns) in lists.into_iter().filter(|(_, patterns)| !patterns.is_empty()) {
            table[key] = list(patterns);
        }
        if grant.see_payloads {
            table["see_payloads"] = value(true);
        }
        let quotas =
            [("rps", grant.rps), ("max_queued", grant.max_queued), ("max_running", grant.max_running)];
        for (key, quota) in quotas {
            if let Some(quota) = quota {
                table[key] = value(i64::from(quota));
            }
        }
        table["created_at"] = value(time(now));
        if let Some(not_after) = grant.not_after {
            table["not_after"] = value(time(not_after));
        }
        if !self.document.contains_key(KEY) {
            // The comments of a file without tables are its end to the parser; they stay in front of the first table.
            let head = self.document.trailing().as_str().unwrap_or_default().to_owned();
            self.document.set_trailing("");
            table.decor_mut().set_prefix(head);
        }
        let all = self.document.entry(KEY).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        if let Some(all) = all.as_array_of_tables_mut() {
            all.push(table);
        }
    }

    /// Removes a token.
    ///
    /// # Errors
    /// No token of this id.
    pub fn remove(&mut self, id: &str) -> Result<(), TokenFileError> {
        let index = self.index(id)?;
        if let Some(all) = self.tables() {
            all.remove(index);
        }
        Ok(())
    }

    /// Gives a token another secret. The one that it had stays valid until `grace_end`, or ends at once without it.
    ///
    /// # Errors
    /// No token of this id.
    pub fn rotate(&mut self, token: &NewToken, grace_end: Option<SystemTime>) -> Result<(), TokenFileError> {
        let index = self.index(&token.id)?;
        let Some(table) = self.tables().and_then(|all| all.get_mut(index)) else { return Ok(()) };
        let before = table.get("sha256").and_then(Item::as_str).unwrap_or_default().to_owned();
        table["sha256"] = value(hex::encode(&token.digest));
        match grace_end {
            Some(end) => {
                table["previous_sha256"] = value(before);
                table["previous_not_after"] = value(time(end));
            }
            None => {
                table.remove("previous_sha256");
                table.remove("previous_not_after");
            }
        }
        Ok(())
    }

    /// Writes the file.
    ///
    /// # Errors
    /// A change that breaks a rule, or a file that cannot be written. The old file stays then.
    pub fn save(self) -> Result<(), TokenFileError> {
        let text = self.document.to_string();
        parse(&self.path, &text)?;
        replace(&self.path, &text)
    }

    fn tables(&mut self) -> Option<&mut ArrayOfTables> {
        self.document.get_mut(KEY).and_then(Item::as_array_of_tables_mut)
    }

    fn index(&mut self, id: &str) -> Result<usize, TokenFileError> {
        let has_id = |table: &Table| table.get("id").and_then(Item::as_str) == Some(id);
        let found = self.tables().and_then(|all| all.iter().position(has_id));
        found.ok_or_else(|| TokenFileError::NotFound(id.to_owned()))
    }
}

impl std::fmt::Debug for TokenFileEdit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenFileEdit").field("path", &self.path).finish_non_exhaustive()
    }
}

fn list(words: &[String]) -> Item {
    value(words.iter().map(String::as_str).collect::<Array>())
}

/// The last second of the year 9999: RFC 3339 has no later one.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

/// Writes a time in whole seconds, as RFC 3339.
fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at.min(SystemTime::UNIX_EPOCH + LAST_SECOND)).to_string()
}
