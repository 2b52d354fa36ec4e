//! Limits that several values share.

use std::time::Duration;

/// Upper bound of every time in the settings of actors and script types: drain, start, backoff, ping and scaling.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
