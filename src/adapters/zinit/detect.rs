//! Tells from one answer which Zinit listens, if it is one at all.

use serde_json::Value;

/// A server that we can work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its own version number.
    pub(super) version: String,
    /// It sees the same processes under the same pids as we do.
    pub(super) shares_pids: bool,
}

impl Found {
    /// For people.
    pub(super) fn name(&self) -> String {
        format!("zinit {} (GEN3)", self.version)
    }
}

/// What we can work with, for error messages.
const SUPPORTED: &str = "supported is zinit 0.3.9 of crates.io (GEN3)";

/// Judges the answer to `rpc.discover`.
///
/// # Errors
/// What was found instead of a server that we can work with, and what is supported.
pub(super) fn judge(answer: &[u8]) -> Result<(), String> {
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else {
        return Err(format!("what answers there does not speak JSON; {SUPPORTED}"));
    };
    if answer["state"].is_string() {
        return Err(format!("found zinit before v0.2.15, which speaks no JSON-RPC; {SUPPORTED}"));
    }
    if let Some(description) = answer["result"].as_str() {
        let kind = if description.contains("service_list") {
            "zinit v0.2.15 to v0.2.28 (GEN2)"
        } else {
            "an unknown server"
        };
        return Err(format!("found {kind}; {SUPPORTED}"));
    }
    let methods = answer["result"]["methods"].as_array().map(Vec::as_slice).unwrap_or_default();
    let knows = |name| methods.iter().any(|method| method["name"] == name);
    if knows("service.set") && knows("service.list_full") {
        return Ok(());
    }
    if knows("service.add") {
        return Err(format!(
            "found zinit 0.3.8 or older, which defines services in another way; {SUPPORTED}"
        ));
    }
    Err(format!("found an unknown server; {SUPPORTED}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recorded_answer_is_told_apart() {
        let judged = |answer: &str| {
            judge(answer.as_bytes()).map_err(|reason| reason.split(';').next().map(str::to_owned))
        };
        let gen3 = r#"{"jsonrpc":"2.0","id":1,"result":{"methods":[{"name":"service.set"},{"name":"service.list_full"}]}}"#;
        assert_eq!(judged(gen3), Ok(()));
        let cases = [
            (
                r#"{"id":1,"result":{"methods":[{"name":"service.add"}]}}"#,
                "found zinit 0.3.8 or older, which defines services in another way",
            ),
            (
                r#"{"id":1,"result":"{\"methods\":[{\"name\":\"service_list\"}]}"}"#,
                "found zinit v0.2.15 to v0.2.28 (GEN2)",
            ),
            (
                r#"{"state":"error","body":"unknown command '{jsonrpc:2.0}'"}"#,
                "found zinit before v0.2.15, which speaks no JSON-RPC",
            ),
            (r#"{"id":1,"error":{"code":-32601}}"#, "found an unknown server"),
            ("-ERR unknown command\r\n", "what answers there does not speak JSON"),
            ("", "what answers there does not speak JSON"),
        ];
        for (answer, expected) in cases {
            assert_eq!(judged(answer), Err(Some(expected.to_owned())), "{answer}");
        }
    }
}
