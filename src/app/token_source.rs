//! The token file of a running supervisor.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::identities::Identities;
use crate::config::{TokenFileError, read_tokens};
use crate::domain::access::TokenTable;

/// Interval of the looks at the file: a change is in force within five seconds.
const LOOK_INTERVAL: Duration = Duration::from_secs(4);

/// Reads the tokens of a file for the identities of a supervisor.
#[derive(Debug)]
pub(super) struct TokenSource {
    path: PathBuf,
    identities: Arc<Identities>,
}

impl TokenSource {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// A file that cannot be used: the service does not start with it.
    pub(super) fn open(path: PathBuf, identities: Arc<Identities>) -> Result<Self, TokenFileError> {
        let source = Self { path, identities };
        source.load()?;
        Ok(source)
    }

    /// Reads the file and puts its tokens in force. Returns their number.
    fn load(&self) -> Result<usize, TokenFileError> {
        let tokens = TokenTable::new(read_tokens(&self.path)?.into_iter().map(|token| token.stored));
        let count = tokens.len();
        self.identities.set_tokens(tokens);
        Ok(count)
    }
}

/// What shows that a file was changed: its place, its size and its times.
type Print = Option<(u64, u64, u64, i64, i64, i64)>;

impl TokenSource {
    /// Reads the file again whenever it has changed. One that cannot be used changes nothing.
    pub(super) async fn follow(self) {
        let source = Arc::new(self);
        let mut seen = None;
        loop {
            let looking = Arc::clone(&source);
            let now = tokio::task::spawn_blocking(move || print(&looking.path)).await.unwrap_or_default();
            if now != seen {
                let loading = Arc::clone(&source);
                let loaded = tokio::task::spawn_blocking(move || loading.load()).await;
                match loaded {
                    Ok(Ok(count)) if seen.is_some() => tracing::info!("tokens: loaded again ({count})"),
                    Ok(Ok(_count)) => {}
                    Ok(Err(error)) => {
                        tracing::error!(%error, "tokens: not loaded, what was loaded before stays in force ({error})");
                    }
                    Err(error) => tracing::error!(%error, "tokens: not loaded ({error})"),
                }
                seen = now;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

fn print(path: &Path) -> Print {
    let metadata = std::fs::metadata(path).ok()?;
    let times = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime_nsec());
    Some((metadata.dev(), metadata.ino(), metadata.size(), times.0, times.1, times.2))
}
