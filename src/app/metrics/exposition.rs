//! The two formats in which scrapers read metrics: the text of Prometheus, and OpenMetrics for those who ask for it.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// A format, as scrapers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposition {
    /// The text format of Prometheus.
    Text,
    /// OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec).
    OpenMetrics,
}

impl Exposition {
    /// Chooses by the Accept header. Text is for everybody who does not name the other one.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let named = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        match named.into_iter().any(|value| value.contains("application/openmetrics-text")) {
            true => Self::OpenMetrics,
            false => Self::Text,
        }
    }

    /// Returns the content type.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes what was rendered as text in this format.
    pub(super) fn write(self, text: String) -> String {
        match self {
            Self::Text => text,
            Self::OpenMetrics => open_metrics(&text),
        }
    }
}

/// Names the family of a counter without `_total`, leaves out empty lines, and says where the end is.
fn open_metrics(text: &str) -> String {
    let mut counters = Vec::new();
    for line in text.lines() {
        let family = line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter"));
        counters.extend(family.filter(|name| name.ends_with("_total")));
    }
    let mut written = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.is_empty()) {
        match renamed(line, &counters) {
            Some(line) => written.push_str(&line),
            None => written.push_str(line),
        }
        written.push('\n');
    }
    written.push_str("# EOF\n");
    written
}

/// Returns the comment about a counter with the name of its family; None for another line.
fn renamed(line: &str, counters: &[&str]) -> Option<String> {
    let comment = ["# HELP ", "# TYPE "].into_iter().find(|comment| line.starts_with(comment))?;
    let (name, rest) = line[comment.len()..].split_once(' ')?;
    let family = name.strip_suffix("_total").filter(|_| counters.contains(&name))?;
    Some(format!("{comment}{family} {rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_of_counters_lose_their_ending_and_the_text_has_an_end() {
        let text = "# HELP a_total Things, a_total of them\n# TYPE a_total counter\na_total{x=\"1\"} 2\n\n\
                    # TYPE b_total gauge\nb_total 1\n";
        let expected = "# HELP a Things, a_total of them\n# TYPE a counter\na_total{x=\"1\"} 2\n\
                        # TYPE b_total gauge\nb_total 1\n# EOF\n";
        assert_eq!(Exposition::OpenMetrics.write(text.to_owned()), expected);
        assert_eq!(Exposition::Text.write(text.to_owned()), text);
    }

    #[test]
    fn openmetrics_is_for_those_who_name_it() {
        let of = |accept: &str| {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            Exposition::accepted(&headers)
        };
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";
        assert_eq!(of(prometheus), Exposition::OpenMetrics);
        assert_eq!((of("*/*"), of("text/plain")), (Exposition::Text, Exposition::Text));
        assert_eq!(Exposition::accepted(&HeaderMap::new()), Exposition::Text);
    }
}
