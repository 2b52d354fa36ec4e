//! Logs on standard error, as text for people or as JSON for collectors; [metrics]; and [traces] of calls and jobs.

pub mod log_limiter;
pub mod metrics;
pub mod traces;

use std::fmt::Debug;
use std::io::IsTerminal;

use serde::Deserialize;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::printable::one_line;

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts the log. The first call of a process wins; later ones change nothing.
pub fn init(filter: &str, format: LogFormat) {
    // A filter from the configuration has been checked; `info` replaces any other that does not parse.
    let filter = parse_filter(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // The reader of standard error may be gone, for instance a Zinit that was killed. The service goes on without a log:
    // reporting the error there with `eprintln!` would panic.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let started = match format {
        LogFormat::Text => {
            let builder = builder.with_ansi(use_colour()).with_target(false);
            builder.fmt_fields(text_fields()).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging: started before");
    }
}

/// Formats the fields of the text log. Control characters in values are escaped, so that no value can control a terminal or
/// forge a line.
fn text_fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    let field = |writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        let text = format!("{value:?}");
        let shown = one_line(&text);
        match field.name() {
            "message" => write!(writer, "{shown}"),
            name => write!(writer, "{}={shown}", name.strip_prefix("r#").unwrap_or(name)),
        }
    };
    debug_fn(field).delimited(" ")
}

/// Parses a filter such as `info,hero_supervisor=debug`.
///
/// # Errors
/// A part that is neither a level nor `target=level`.
pub fn parse_filter(filter: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(filter)
}

/// Returns true for a terminal, unless `NO_COLOR` is set.
fn use_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_field_of_the_text_log_forges_a_line_or_orders_a_terminal() {
        let sink = Sink::default();
        let writer = sink.clone();
        let builder = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false);
        let subscriber = builder.with_target(false).fmt_fields(text_fields()).finish();
        let evil = "x\n2026-01-01T00:00:00Z  INFO forged\x1b[2J\u{9b}31m\r";
        tracing::subscriber::with_default(subscriber, || {
            let error = std::io::Error::other(evil);
            tracing::warn!(actor.id = %evil, quoted = evil, error = %error, n = 7, "it said {evil}");
            tracing::info!("plain words");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        let shown = r"x\n2026-01-01T00:00:00Z  INFO forged\u{1b}[2J\u{9b}31m\u{d}";
        assert!(text.contains(&format!("it said {shown} actor.id={shown} ")), "{text}");
        assert!(text.contains(&format!(" error={shown} n=7\n")), "{text}");
        assert!(text.ends_with(" plain words\n"), "{text}");
    }
}
