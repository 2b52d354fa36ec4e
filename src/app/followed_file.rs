//! Files of identities that are read again when they change: tokens, and the keys of an identity provider.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::identities::Identities;
use crate::adapters::jwks::Jwks;
use crate::config::{JwtConfig, TokenFileError, read_tokens};
use crate::domain::access::TokenTable;

/// Interval of the looks at the file: a change is in force within five seconds.
const LOOK_INTERVAL: Duration = Duration::from_secs(4);

/// Reads the file and puts it in force. Returns one fact about it, or what is wrong with it.
type Load = Arc<dyn Fn(&Path) -> Result<String, String> + Send + Sync>;

/// A file that is read again when it changes.
pub(super) struct FollowedFile {
    subject: &'static str,
    path: PathBuf,
    load: Load,
}

/// What shows that a file was changed: its place, its size and its times.
type Print = Option<(u64, u64, u64, i64, i64, i64)>;

impl FollowedFile {
    /// Reads the token file for the first time.
    ///
    /// # Errors
    /// A file that cannot be used: the service does not start with it.
    pub(super) fn tokens(path: PathBuf, identities: Arc<Identities>) -> Result<Self, TokenFileError> {
        let load = move |path: &Path| {
            let tokens = TokenTable::new(read_tokens(path)?.into_iter().map(|token| token.stored));
            let count = tokens.len();
            identities.set_tokens(tokens);
            Ok::<_, TokenFileError>(format!("{count} of them"))
        };
        load(&path)?;
        let load = Arc::new(move |path: &Path| load(path).map_err(|error| error.to_string()));
        Ok(Self { subject: "tokens", path, load })
    }

    /// Reads the keys of the identity provider for the first time.
    ///
    /// # Errors
    /// A file that cannot be used: the service does not start with it.
    pub(super) fn keys(config: JwtConfig<'_>, identities: Arc<Identities>) -> Result<Self, String> {
        let (issuer, audience) = (config.issuer.to_owned(), config.audience.to_owned());
        let load = move |path: &Path| {
            let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
            let keys = Jwks::parse(&text, &issuer, &audience)?;
            let count = keys.len();
            identities.set_keys(keys);
            Ok(format!("{count} of them"))
        };
        load(config.jwks_file).map_err(|what| format!("{} {what}", config.jwks_file.display()))?;
        Ok(Self {
            subject: "keys of the identity provider",
            path: config.jwks_file.to_owned(),
            load: Arc::new(load),
        })
    }

    /// Reads the file again whenever it has changed. One that cannot be used changes nothing.
    pub(super) async fn follow(self) {
        let mut seen = None;
        let file = Arc::new(self);
        loop {
            let looking = Arc::clone(&file);
            let now = tokio::task::spawn_blocking(move || print(&looking.path)).await.unwrap_or_default();
            if now != seen {
                let loading = Arc::clone(&file);
                let loaded = tokio::task::spawn_blocking(move || (loading.load)(&loading.path)).await;
                file.told(loaded.unwrap_or_else(|panicked| Err(panicked.to_string())), seen.is_some());
                seen = now;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn told(&self, loaded: Result<String, String>, again: bool) {
        let subject = self.subject;
        match loaded {
            Ok(fact) if again => tracing::info!("{subject}: loaded again ({fact})"),
            Ok(_first) => {}
            Err(fault) => {
                tracing::error!("{subject}: not loaded, what was loaded before stays in force ({fault})");
            }
        }
    }
}

fn print(path: &Path) -> Print {
    let metadata = std::fs::metadata(path).ok()?;
    let times = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime_nsec());
    Some((metadata.dev(), metadata.ino(), metadata.size(), times.0, times.1, times.2))
}

impl fmt::Debug for FollowedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowedFile").field("path", &self.path).finish_non_exhaustive()
    }
}
