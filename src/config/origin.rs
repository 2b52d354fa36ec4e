//! Origins of web pages.

/// Matches any origin.
const ANY: &str = "*";

/// Returns the fault of an origin. An origin is a scheme, a host and an optional port, as browsers spell it.
pub(super) fn flaw(origin: &str) -> Option<&'static str> {
    const FORM: &str =
        "is not an origin: use https://HOST or https://HOST:PORT without a path, or * for any page";
    const DEFAULT_PORT: &str = "would match no page: leave out the default port, browsers do";
    if origin == ANY {
        return None;
    }
    let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
    let well_formed = rest.is_some_and(|host| !host.is_empty() && host.chars().all(plain));
    let default_port = [("https://", ":443"), ("http://", ":80")];
    if !well_formed {
        return Some(FORM);
    }
    default_port
        .into_iter()
        .any(|(scheme, port)| origin.starts_with(scheme) && origin.ends_with(port))
        .then_some(DEFAULT_PORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_spell_them() {
        for right in ["*", "https://dash.example.org", "http://localhost:5173", "http://[::1]:8080"] {
            assert_eq!(flaw(right), None, "{right}");
        }
        for wrong in
            ["", "dash.example.org", "https://", "https://dash.example.org/", "https://Dash.org", "null"]
        {
            assert!(flaw(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn a_default_port_is_refused_since_browsers_leave_it_out() {
        for wrong in ["https://dash.example.org:443", "http://localhost:80", "http://[::1]:80"] {
            assert!(flaw(wrong).is_some_and(|why| why.contains("default port")), "{wrong}");
        }
        for right in ["https://dash.example.org:80", "http://localhost:443", "http://localhost:8080"] {
            assert_eq!(flaw(right), None, "{right}");
        }
    }
}
