//! The program of a language that does what it is told: commands in, answers out, a JSON line each.

use std::collections::HashMap;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Duration, Instant, timeout_at};

/// Builds are part of it, on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);
/// Builds and becomes the runner of a language.
pub(super) const RUNNER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/runner");

/// What is known of a command that was sent.
#[derive(Debug, Default)]
pub(super) struct Operation {
    /// What its stream gave so far.
    pub(super) items: Vec<Value>,
    /// `{"ok": …}` or `{"error": …}`, once it has ended.
    pub(super) end: Option<Value>,
}

/// A running runner. Dropped, it is killed.
pub(super) struct Runner {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    operations: HashMap<u64, Operation>,
    last_id: u64,
}

impl Runner {
    /// Starts the runner of a language.
    pub(super) fn start(language: &str) -> Self {
        Self::start_trusting(language, None)
    }

    /// Starts the runner of a language, and tells it of a private CA. What a browser would be told of a private CA, Node is told by the environment.
    pub(super) fn start_trusting(language: &str, ca: Option<String>) -> Self {
        let mut command = Command::new(RUNNER);
        if let Some(ca) = ca.filter(|_ca| language == "typescript-web") {
            command.env("NODE_EXTRA_CA_CERTS", ca);
        }
        Self::start_by(command.arg(language))
    }

    /// Starts the runner that this command becomes.
    pub(super) fn start_by(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, stdin, lines, operations: HashMap::new(), last_id: 0 }
    }

    /// Sends a command; its id is what to ask for its answer by.
    pub(super) async fn send(&mut self, command: &Value) -> u64 {
        self.last_id += 1;
        let mut command = command.clone();
        command["id"] = json!(self.last_id);
        self.operations.insert(self.last_id, Operation::default());
        self.stdin.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        self.last_id
    }

    /// Waits for the end of a command.
    pub(super) async fn end(&mut self, id: u64) -> Result<Value, String> {
        self.until(id, |operation| operation.end.clone()).await
    }

    /// Reads until `fact` is seen in what there is of a command.
    pub(super) async fn until<T>(
        &mut self,
        id: u64,
        mut fact: impl FnMut(&Operation) -> Option<T>,
    ) -> Result<T, String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let operation = &self.operations[&id];
            if let Some(fact) = fact(operation) {
                return Ok(fact);
            }
            let Ok(line) = timeout_at(deadline, self.lines.next_line()).await else {
                let (count, last) = (operation.items.len(), operation.items.last());
                return Err(format!(
                    "nothing more came within {LIMIT:?} after {count} items, the last {last:?}, the end {:?}",
                    operation.end
                ));
            };
            let line = line.unwrap().unwrap_or_else(|| panic!("the runner ended"));
            let mut line: Value = serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}"));
            let id = line["id"].as_u64().unwrap_or_default();
            let operation = self.operations.get_mut(&id).unwrap_or_else(|| panic!("nobody asked: {line}"));
            match line.get_mut("item") {
                Some(item) => operation.items.push(item.take()),
                None => operation.end = Some(line),
            }
        }
    }
}
