//! The examples below the help of each command. A test reads each of them as the program would.

/// Commands, and what may be typed for each, behind the name of the program; the empty one is the program itself.
const EXAMPLES: &[(&str, [&str; 3])] = &[
    ("", ["dev", "job run '40 + 2'", "--server https://host:50051 actor ls"]),
    (
        "serve",
        [
            "serve",
            "serve --config /etc/hero-supervisor.toml",
            "serve --listen unix:/run/hero.sock --log-format json",
        ],
    ),
    ("dev", ["dev", "dev --actors osis=4,python=2", "dev --data-dir ./try --listen 127.0.0.1:50052"]),
    (
        "doctor",
        [
            "doctor",
            "doctor --config /etc/hero-supervisor.toml -o json",
            "doctor --print-acl --script-type python --queue python-gpu",
        ],
    ),
    (
        "backup",
        [
            "backup hero.backup",
            "backup hero.backup --force --config /etc/hero-supervisor.toml -o json",
            "backup - --redis-url redis://old:6379",
        ],
    ),
    (
        "restore",
        [
            "restore hero.backup --dry-run",
            "restore hero.backup --redis-url redis+cluster://a:7000,b:7000,c:7000",
            "restore hero.backup --into-existing -o json",
        ],
    ),
    ("actor", ["actor ls", "actor create py0 --type python", "actor logs osis_actor_0 --follow"]),
    ("node", ["node ls", "node ls -o json", "--server https://host:50051 node ls"]),
    ("node ls", ["node ls", "node ls -o json", "node ls --quiet"]),
    ("actor ls", ["actor ls", "actor ls --type osis --label team=a", "actor ls -o json"]),
    (
        "actor get",
        ["actor get osis_actor_0", "actor get osis_actor_0 --env", "actor get osis_actor_0 -o json"],
    ),
    (
        "actor conformance",
        [
            "actor conformance --exec ./my_actor --script-type osis",
            "actor conformance --exec 'python3 my_actor.py' --script-type python --case cancel",
            "actor conformance --exec ./my_actor --script-type v --scripts my_scripts.toml -o json",
        ],
    ),
    (
        "actor create",
        [
            "actor create py0 --type python",
            "actor create osis_actor_9 --type osis --label team=a --memory-limit 512M",
            "actor create big --type sal --env-from-file TOKEN=/etc/hero/token --dry-run",
        ],
    ),
    (
        "actor logs",
        [
            "actor logs osis_actor_0",
            "actor logs osis_actor_0 -f --since 10m",
            "actor logs osis_actor_0 --stderr --grep panic",
        ],
    ),
    (
        "actor update",
        [
            "actor update py0 --env LEVEL=debug",
            "actor update py0 --memory-limit 1G --now",
            "actor update py0 --drain-timeout 2m",
        ],
    ),
    ("actor start", ["actor start osis_actor_0", "actor start --type osis", "actor start --all --wait 2m"]),
    (
        "actor stop",
        [
            "actor stop osis_actor_0",
            "actor stop --type python --drain-timeout 5m",
            "actor stop --all --yes --reason maintenance",
        ],
    ),
    (
        "actor restart",
        [
            "actor restart osis_actor_0",
            "actor restart --all --max-unavailable 1",
            "actor restart --label team=a --force",
        ],
    ),
    (
        "actor delete",
        ["actor delete py0", "actor delete py0 py1 --drain-timeout 1m", "actor delete py0 --allow-missing"],
    ),
    (
        "actor scale",
        ["actor scale osis 4", "actor scale osis 0 --drain-timeout 5m", "actor scale osis 8 --dry-run"],
    ),
    ("job", ["job run '40 + 2'", "job ls --state failed", "job logs JOB --follow"]),
    (
        "job run",
        ["job run '40 + 2'", "job run -f report.py --follow", "job run 'sleep(600)' --timeout 1m --cancel"],
    ),
    (
        "job submit",
        [
            "job submit -f nightly.py --label team=a --at 2027-01-31T02:00:00Z",
            "job submit --unique report --on-conflict run_once_more -f report.py",
            "job submit --from-file jobs.jsonl",
        ],
    ),
    ("job await", ["job await JOB", "job await JOB --timeout 5m", "job await JOB -o json"]),
    ("job get", ["job get 0199a2b4-1c2d", "job get JOB --script", "job get JOB -o yaml"]),
    ("job explain", ["job explain JOB", "job explain 0199a2b4-1c2d", "job explain JOB -o json"]),
    (
        "job ls",
        ["job ls", "job ls --state failed,cancelled --since 2h -n 200", "job ls --label team=a -L tier"],
    ),
    ("job logs", ["job logs JOB", "job logs JOB --follow", "job logs JOB --raw"]),
    ("job watch", ["job watch JOB", "job watch JOB --raw", "job watch JOB -o json"]),
    (
        "job cancel",
        [
            "job cancel 0199a2b4-1c2d",
            "job cancel JOB JOB2 --reason 'wrong input'",
            "job cancel --type python --label team=a --since 1h",
        ],
    ),
    ("job delete", ["job delete JOB", "job delete JOB JOB2 --yes", "job rm JOB --allow-missing"]),
    ("job update", ["job update JOB --priority 1", "job update JOB -p 5", "job update JOB -p 1 -q"]),
    ("job retry", ["job retry JOB", "job retry JOB --reset-attempts", "job retry JOB --input '{\"n\": 2}'"]),
    ("queue", ["queue ls", "queue pause osis --reason maintenance", "queue purge osis --dry-run"]),
    ("queue ls", ["queue ls", "queue ls --names", "queue ls -o json"]),
    (
        "queue create",
        [
            "queue create python-gpu --type python",
            "queue create osis-2 -s osis",
            "queue create v-test -s v -o json",
        ],
    ),
    ("queue get", ["queue get python-gpu", "queue get osis", "queue get python-gpu -o json"]),
    (
        "queue update",
        [
            "queue update python-gpu --mode auto --max 4",
            "queue update python-gpu --queue-limit 1000 --run-timeout 1h",
            "queue update osis --clear queue-limit --dry-run",
        ],
    ),
    ("queue rm", ["queue rm python-gpu", "queue rm python-gpu --yes", "queue delete osis-2"]),
    (
        "queue pause",
        ["queue pause osis", "queue pause osis --reason maintenance", "queue pause python-gpu -o json"],
    ),
    ("queue resume", ["queue resume osis", "queue resume osis --reason done", "queue resume python -o json"]),
    (
        "queue purge",
        [
            "queue purge osis --dry-run",
            "queue purge osis --expected-count 12 --yes",
            "queue purge osis --state scheduled",
        ],
    ),
    (
        "script-type",
        ["script-type ls", "script-type get osis", "script-type set osis --mode auto --min 1 --max 8"],
    ),
    ("script-type ls", ["script-type ls", "script-type ls -o json", "script-type ls -q"]),
    (
        "script-type get",
        ["script-type get osis", "script-type get osis -o json", "script-type get osis --env -o json"],
    ),
    (
        "script-type set",
        [
            "script-type set osis --mode auto --min 1 --max 8",
            "script-type set python --run-timeout 1h",
            "script-type set osis --ping-timeout 5s --failure-threshold 3",
        ],
    ),
    ("scale", ["scale osis 4", "scale osis 0 --drain-timeout 5m", "scale osis 8 --dry-run"]),
    ("health", ["health check", "health check osis_actor_0", "health watch"]),
    (
        "health check",
        ["health check", "health check osis_actor_0 --scope all", "health check --type python --scope none"],
    ),
    ("health watch", ["health watch", "health watch --type python", "health watch -o json"]),
    ("top", ["top", "top --every 5s", "top --once"]),
    ("wait", ["wait ready", "wait ready --all-actors --timeout 2m", "wait actor osis_actor_0"]),
    ("wait ready", ["wait ready", "wait ready --all-actors --timeout 2m", "wait ready --actor osis_actor_0"]),
    ("wait actor", ["wait actor osis_actor_0", "wait actor py0 py1", "wait actor py0 --timeout 10s"]),
    (
        "events",
        ["events", "events --follow --topic actor --severity warning", "events --job JOB --since 2h -o json"],
    ),
    ("access", ["access ls", "access audit --refused", "access audit --identity token:ci --since 2h"]),
    ("access ls", ["access ls", "access ls -o json", "--server https://host:50051 access ls"]),
    (
        "access audit",
        ["access audit", "access audit --refused --since 1d", "access audit --rpc DeleteActor -n 10 -o json"],
    ),
    ("dashboard", ["dashboard", "dashboard --no-open", "--server https://host:50051 dashboard --no-open -q"]),
    ("info", ["info", "info -o json", "--server https://host:50051 info"]),
    (
        "context",
        [
            "context add prod --server https://host:50051 --token-file prod.token",
            "context use prod",
            "context ls",
        ],
    ),
    (
        "context add",
        [
            "context add here --server unix:/run/hero.sock",
            "context add prod --server https://host:50051 --cacert ca.crt --token-file prod.token",
            "context add ci --server https://host:50051 --client-cert ci.crt --client-key ci.key",
        ],
    ),
    ("context use", ["context use prod", "context use here -q", "--server-context prod actor ls"]),
    ("context ls", ["context ls", "context ls -q", "context ls -o yaml"]),
    ("context rm", ["context rm prod", "context rm here ci", "context delete prod"]),
    (
        "config",
        ["config show --origin", "config check --config /etc/hero-supervisor.toml", "config show -o json"],
    ),
    (
        "config show",
        ["config show", "config show --origin", "config show --config /etc/hero-supervisor.toml -o json"],
    ),
    (
        "config check",
        [
            "config check",
            "config check --config /etc/hero-supervisor.toml",
            "config check --config new.toml --listen 0.0.0.0:50051",
        ],
    ),
    (
        "tls",
        ["tls init --host box.example.org", "tls init --host 10.0.0.7 --out /etc/hero/tls", "help tls init"],
    ),
    (
        "tls init",
        [
            "tls init --host box.example.org",
            "tls init --host 10.0.0.7 --host box --out /etc/hero/tls",
            "tls init --host box --client-uri spiffe://hero/ci",
        ],
    ),
    (
        "token",
        [
            "token create --role submitter --tokens-file tokens.toml",
            "token ls --config /etc/hero-supervisor.toml",
            "token revoke k3v9q2m7xa1c --tokens-file tokens.toml",
        ],
    ),
    (
        "token create",
        [
            "token create --role viewer --tokens-file tokens.toml",
            "token create --role submitter --caller ci --script-type python --ttl 90d",
            "token create --role admin --name 'on call' -q",
        ],
    ),
    (
        "token ls",
        [
            "token ls --tokens-file tokens.toml",
            "token ls --config /etc/hero-supervisor.toml",
            "token ls -o json",
        ],
    ),
    (
        "token revoke",
        [
            "token revoke k3v9q2m7xa1c",
            "token revoke k3v9q2m7xa1c --tokens-file tokens.toml",
            "token revoke k3v9q2m7xa1c --config /etc/hero-supervisor.toml",
        ],
    ),
    (
        "token rotate",
        [
            "token rotate k3v9q2m7xa1c",
            "token rotate k3v9q2m7xa1c --grace 1h",
            "token rotate k3v9q2m7xa1c --grace 0s -q --tokens-file tokens.toml",
        ],
    ),
    (
        "audit",
        [
            "audit verify /var/log/hero/audit.log",
            "audit ls --config /etc/hero-supervisor.toml",
            "audit ls --refused --since 7d",
        ],
    ),
    (
        "audit verify",
        [
            "audit verify /var/log/hero/audit.log",
            "audit verify --config /etc/hero-supervisor.toml",
            "audit verify /var/log/hero/audit.log -o json",
        ],
    ),
    (
        "audit ls",
        [
            "audit ls /var/log/hero/audit.log",
            "audit ls --refused --since 7d",
            "audit ls --rpc DeleteActor -n 0 -o json",
        ],
    ),
    (
        "completions",
        [
            "completions bash > /etc/bash_completion.d/hero-supervisor",
            "completions zsh > ~/.zfunc/_hero-supervisor",
            "completions fish > ~/.config/fish/completions/hero-supervisor.fish",
        ],
    ),
    ("man", ["man ./pages", "man /usr/local/share/man/man1", "help man"]),
    ("version", ["version", "--version", "info"]),
];

/// Returns the examples of a command, as its help shows them; nothing for a command that has none.
pub(super) fn text(path: &str) -> String {
    let lines = EXAMPLES.iter().find(|(command, _)| *command == path).map(|(_, lines)| lines);
    let lines = lines.into_iter().flatten().map(|line| format!("\n  hero-supervisor {line}"));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("Examples:{lines}") }
}

#[cfg(test)]
mod tests {
    use clap::Command;
    use clap::error::ErrorKind;

    use super::*;

    /// The names of all commands that the help shows, and of the program.
    fn shown(command: &Command, path: &str, all: &mut Vec<String>) {
        all.push(path.to_owned());
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            shown(inner, format!("{path} {}", inner.get_name()).trim_start(), all);
        }
    }

    #[test]
    fn every_command_has_examples_and_nothing_else_has() {
        let mut all = Vec::new();
        shown(&crate::cli::command(), "", &mut all);
        all.sort();
        let mut with: Vec<&str> = EXAMPLES.iter().map(|(command, _)| *command).collect();
        with.sort_unstable();
        assert_eq!(with, all);
    }

    #[test]
    fn every_example_is_understood() {
        for line in EXAMPLES.iter().flat_map(|(_, lines)| lines) {
            let line = line.split(" > ").next().unwrap();
            let words = std::iter::once("hero-supervisor".to_owned()).chain(shlex::split(line).unwrap());
            match crate::cli::command().try_get_matches_from(words) {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {}
                Err(error) => panic!("{line}: {error}"),
            }
        }
    }
}
