//! Where logs go: standard error, as text for people or as JSON for collectors. What is [measured](metrics), and which
//! [traces] calls and jobs leave.

pub mod metrics;
pub mod traces;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::LogFormat;

/// Starts to log; the first call of a process wins, later ones change nothing.
pub fn init(filter: &str, format: LogFormat) {
    // A filter that came through the configuration parses; `info` is what is left otherwise.
    let filter = parse_filter(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Whoever reads the log may be gone, a Zinit that was killed for instance. That is no reason to end; to complain about it to
    // the same place would be one, for `eprintln!` panics.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let started = match format {
        LogFormat::Text => builder.with_ansi(use_colour()).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started before");
    }
}

/// Reads a filter such as `info,hero_supervisor=debug`.
///
/// # Errors
/// When a part of it is no level and no `target=level`.
pub fn parse_filter(filter: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(filter)
}

/// Colour is for terminals, and not for people who set `NO_COLOR`.
fn use_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
