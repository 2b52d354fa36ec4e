//! The banner of `dev`: addresses, and commands to try.

use std::path::PathBuf;

use super::actors::ActorLine;
use crate::cli::{Format, Output};
use crate::config::ListenAddr;

/// Content of the banner besides addresses and actors.
pub(super) struct Facts {
    pub(super) redis: String,
    pub(super) own_redis: bool,
    pub(super) zinit: Option<PathBuf>,
    pub(super) data_dir: PathBuf,
    pub(super) missing: Vec<String>,
    /// There is no actor for V, since its compiler is missing.
    pub(super) without_v: bool,
}

/// Prints the banner. A closed standard output is no error.
pub(super) fn print(facts: &Facts, addresses: &[ListenAddr], dashboard: Option<&str>, actors: &[ActorLine]) {
    let shown = Output::new(Format::Table, false).data(&text(facts, addresses, dashboard, actors));
    if shown.is_err() {
        tracing::debug!("banner: standard output is closed");
    }
}

fn text(facts: &Facts, addresses: &[ListenAddr], dashboard: Option<&str>, actors: &[ActorLine]) -> String {
    // The program as it was called, so that the lines can be copied.
    let program = std::env::args().next().unwrap_or_else(|| "hero-supervisor".to_owned());
    let mut lines = vec!["hero-supervisor dev: for trying out, not for production".to_owned(), String::new()];
    let mut fact = |name: &str, value: String| lines.push(format!("  {name:<10}{value}"));
    for address in addresses {
        fact("gRPC", address.to_string());
    }
    if let Some(url) = dashboard {
        fact("dashboard", url.to_owned());
    }
    let redis = if facts.own_redis { "private, append-only" } else { "yours" };
    fact("Redis", format!("{} ({redis})", facts.redis));
    match &facts.zinit {
        Some(socket) => fact("Zinit", socket.display().to_string()),
        None => fact("processes", "own children; they end with this command".to_owned()),
    }
    fact("data", facts.data_dir.display().to_string());
    if facts.own_redis {
        fact("Redis log", facts.data_dir.join("redis.log").display().to_string());
    }
    for actor in actors {
        fact("actor", format!("{} ({})", actor.name, actor.state));
    }
    for program in &facts.missing {
        fact("missing", format!("{program} is not beside this program: no such actors"));
    }
    if facts.without_v {
        fact("left out", "v actors: there is no V compiler in PATH, and V_BIN names none".to_owned());
    }
    if let Some(address) = addresses.first() {
        let server = Server::of(address);
        lines.push(String::new());
        lines.push("Try, in another terminal:".to_owned());
        lines.push(format!("  {program} job run '40 + 2'{}", server.flag));
        lines.push(format!(
            "  grpcurl -plaintext -d '{{\"job\":{{\"scriptType\":\"SCRIPT_TYPE_OSIS\",\"script\":\"40 + 2\"}},\"maxWait\":\"10s\"}}' \
             {} hero.supervisor.v1.Supervisor/RunJob",
            server.grpcurl
        ));
    }
    lines.push(String::new());
    lines.push("Ctrl-C stops everything that was started here; a second one kills it.".to_owned());
    lines.join("\n") + "\n"
}

/// Returns the address in the form that tools take.
struct Server {
    flag: String,
    grpcurl: String,
}

impl Server {
    fn of(address: &ListenAddr) -> Self {
        let is_default = address.to_string() == crate::config::DEFAULT_LISTEN;
        match address {
            ListenAddr::Tcp(socket) => Self {
                flag: if is_default { String::new() } else { format!(" --server http://{socket}") },
                grpcurl: socket.to_string(),
            },
            ListenAddr::Unix(path) => Self {
                flag: format!(" --server unix:{}", path.display()),
                grpcurl: format!("unix://{}", std::path::absolute(path).as_ref().unwrap_or(path).display()),
            },
        }
    }
}
