//! Detection of the Zinit that listens, from one answer, if it is one at all.

use serde_json::Value;

/// The living families of Zinit, which have different words for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// v0.2.15 to v0.2.28 of threefoldtech/zinit.
    Gen2,
    /// 0.3.9.
    Gen3,
}

/// A server that we can work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Generation of the Zinit.
    pub(super) generation: Generation,
    /// True if nearly every refusal has the same reason, as with GEN2 before v0.2.28.
    pub(super) terse: bool,
    /// Version of the Zinit, if it tells.
    pub(super) version: Option<String>,
    /// Pid of the Zinit, if it sees the same processes under the same pids as we do.
    pub(super) server: Option<i32>,
    /// Number of files that the Zinit may have open, if that can be seen.
    pub(super) open_files: Option<u64>,
}

impl Found {
    /// Returns the name for people.
    pub(super) fn name(&self) -> String {
        match self.generation {
            Generation::Gen2 if self.terse => "zinit v0.2.15 to v0.2.27 (GEN2)".to_owned(),
            Generation::Gen2 => "zinit v0.2.28 (GEN2)".to_owned(),
            Generation::Gen3 => {
                format!("zinit {} (GEN3)", self.version.as_deref().unwrap_or("of unknown version"))
            }
        }
    }

    /// Returns the limits that an operator has to know.
    pub(super) fn limits(&self) -> &'static [&'static str] {
        match self.generation {
            Generation::Gen2 => &[
                "it reads the output of at most some 256 services: run fewer actors with it",
                "a stop kills after 0.5 s, so actors are drained and asked to end before",
                "it restarts after 2 s, for ever: backoff is not kept, CRASH_LOOP is judged by the supervisor",
                "its log lines bear no time and share one buffer of all services",
                "its service files are in /etc/zinit, whatever --config says",
                "processes of a Zinit that was killed live on until they are found: actors can ask to die with it",
            ],
            Generation::Gen3 => &[
                "needs 3 open files for each service: run it with ulimit -n of at least 3 times the actors, plus 100",
                "processes of a Zinit that was killed live on: actors can ask to die with it",
            ],
        }
    }
}

/// Supported versions, for error messages.
const SUPPORTED: &str = "supported are zinit 0.3.9 (GEN3) and threefoldtech/zinit v0.2.15 to v0.2.28 (GEN2)";

/// Judges the answer to `rpc.discover`.
///
/// # Errors
/// What was found instead of a server that we can work with, and what is supported.
pub(super) fn judge(answer: &[u8]) -> Result<Generation, String> {
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else {
        return Err(format!("what answers there does not speak JSON; {SUPPORTED}"));
    };
    if answer["state"].is_string() {
        return Err(format!("found zinit before v0.2.15, which speaks no JSON-RPC; {SUPPORTED}"));
    }
    if let Some(description) = answer["result"].as_str() {
        if description.contains("service_list") {
            return Ok(Generation::Gen2);
        }
        return Err(format!("found an unknown server; {SUPPORTED}"));
    }
    let methods = answer["result"]["methods"].as_array().map(Vec::as_slice).unwrap_or_default();
    let knows = |name| methods.iter().any(|method| method["name"] == name);
    if knows("service.set") && knows("service.list_full") {
        return Ok(Generation::Gen3);
    }
    if knows("service_create") && knows("service_monitor") {
        return Ok(Generation::Gen2);
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
        assert_eq!(judged(gen3), Ok(Generation::Gen3));
        let gen2 = r#"{"id":1,"result":"{\"methods\":[{\"name\":\"service_list\"}]}"}"#;
        assert_eq!(judged(gen2), Ok(Generation::Gen2));
        let cases = [
            (
                r#"{"id":1,"result":{"methods":[{"name":"service.add"}]}}"#,
                "found zinit 0.3.8 or older, which defines services in another way",
            ),
            (r#"{"id":1,"result":"{\"methods\":[]}"}"#, "found an unknown server"),
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
