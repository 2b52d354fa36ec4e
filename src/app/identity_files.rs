//! Files of identities: tokens, and the keys of an identity provider.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::AppError;
use super::identities::Identities;
use super::reload::Reloadable;
use crate::adapters::jwks::Jwks;
use crate::config::{Config, JwtConfig, TokenFileError, read_tokens};
use crate::domain::access::TokenTable;

/// Reads the files that the configuration names.
///
/// # Errors
/// A file that cannot be used: the service does not start with it.
pub(super) fn identity_files(
    config: &Config,
    identities: Option<Arc<Identities>>,
) -> Result<Vec<Arc<dyn Reloadable>>, AppError> {
    let Some(identities) = identities else { return Ok(Vec::new()) };
    let mut files: Vec<Arc<dyn Reloadable>> = Vec::new();
    if let Some(path) = &config.auth.tokens_file {
        let file = TokenFile { path: path.clone(), identities: Arc::clone(&identities) };
        file.load().map_err(AppError::Tokens)?;
        files.push(Arc::new(file));
    }
    if let Some(jwt) = config.auth.jwt() {
        let file = KeyFile::new(jwt, identities);
        file.load().map_err(AppError::Keys)?;
        files.push(Arc::new(file));
    }
    Ok(files)
}

/// The file of the tokens.
struct TokenFile {
    path: PathBuf,
    identities: Arc<Identities>,
}

impl TokenFile {
    /// Puts the tokens of the file in force, and returns their number.
    fn load(&self) -> Result<usize, TokenFileError> {
        let tokens = TokenTable::new(read_tokens(&self.path)?);
        let count = tokens.len();
        self.identities.set_tokens(tokens);
        Ok(count)
    }
}

impl Reloadable for TokenFile {
    fn subject(&self) -> &'static str {
        "tokens"
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }

    fn reload(&self) -> Result<String, String> {
        self.load().map(|count| format!("{count} of them")).map_err(|error| error.to_string())
    }
}

/// The file with the keys of the identity provider.
struct KeyFile {
    path: PathBuf,
    issuer: String,
    audience: String,
    identities: Arc<Identities>,
}

impl KeyFile {
    fn new(config: JwtConfig<'_>, identities: Arc<Identities>) -> Self {
        let (path, issuer) = (config.jwks_file.to_owned(), config.issuer.to_owned());
        Self { path, issuer, audience: config.audience.to_owned(), identities }
    }

    /// Puts the keys of the file in force, and returns their number.
    fn load(&self) -> Result<usize, String> {
        let told = |what: String| format!("{} {what}", self.path.display());
        let text =
            std::fs::read_to_string(&self.path).map_err(|error| told(format!("cannot be read: {error}")))?;
        let keys = Jwks::parse(&text, &self.issuer, &self.audience).map_err(told)?;
        let count = keys.len();
        self.identities.set_keys(keys);
        Ok(count)
    }
}

impl Reloadable for KeyFile {
    fn subject(&self) -> &'static str {
        "keys of the identity provider"
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }

    fn reload(&self) -> Result<String, String> {
        self.load().map(|count| format!("{count} of them"))
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).finish_non_exhaustive()
    }
}
