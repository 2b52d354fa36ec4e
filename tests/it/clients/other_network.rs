//! From nothing to a job on another machine: `tls init`, `token create`, a server, and callers in a network of their own, who
//! reach it over a wire. They are told nothing but the printed lines.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tempfile::TempDir;

use super::runner::{RUNNER, Runner};
use crate::support::full_service::FullService;
use crate::support::redis::PrivateRedis;
use crate::support::service::{PROGRAM, Ran, run};

/// Subnets of four addresses in 198.18.0.0/15, which is for tests (RFC 2544).
const SUBNETS: u32 = 32_768;

/// A network of its own, with a wire to this one. Dropped, it is gone.
struct Network {
    name: String,
    /// The address of this side.
    here: String,
}

impl Network {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id().wrapping_mul(8).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
        let first = (number % SUBNETS) * 4;
        let address = |offset: u32| {
            let [_, b, c, d] = (first + offset).to_be_bytes();
            format!("198.{}.{c}.{d}", 18 + b)
        };
        let network = Self { name: format!("hs{number:x}"), here: address(1) };
        let (name, wire) = (&network.name, format!("hw{:x}", number % 0xfff_ffff));
        for line in [
            format!("netns add {name}"),
            format!("link add {wire}a type veth peer name {wire}b netns {name}"),
            format!("address add {}/30 dev {wire}a", address(1)),
            format!("link set {wire}a up"),
            format!("-n {name} address add {}/30 dev {wire}b", address(2)),
            format!("-n {name} link set {wire}b up"),
        ] {
            let done = Command::new("ip").args(line.split(' ')).output().unwrap();
            assert!(done.status.success(), "ip {line} (as root?): {}", String::from_utf8_lossy(&done.stderr));
        }
        network
    }

    /// A command of there.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HERO_") {
                command.env_remove(name);
            }
        }
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _gone = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}

/// A server that other machines reach, and what it printed for its callers.
struct Newcomer {
    network: Network,
    variables: Vec<(String, String)>,
    address: String,
    dir: TempDir,
    _full: FullService,
}

impl Newcomer {
    async fn new() -> Self {
        let network = Network::new();
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let made = run(["tls", "init", "--host", &network.here, "--out", &path("tls")]);
        assert_eq!(made.code, 0, "{made:?}");
        std::fs::write(path("hero.toml"), &made.stdout).unwrap();
        let scopes = ["--role", "submitter", "--caller", "newcomer", "--script-type", "osis"];
        let tokens = ["token", "create", "--quiet", "--tokens-file", &path("tokens.toml")];
        let token = run(tokens.iter().chain(&scopes));
        assert_eq!(token.code, 0, "{token:?}");
        std::fs::write(path("token"), &token.stdout).unwrap();

        let listen = format!("{}:0", network.here);
        let flags = ["--config", &path("hero.toml"), "--auth-tokens-file", &path("tokens.toml")];
        let flags = [&flags[..], &["--tls-client-auth", "required", "--listen", &listen]].concat();
        let full = FullService::start_on(PrivateRedis::start().await, &flags).await;
        full.running_actor("a0").await;
        let address = full.service.address();
        assert!(address.starts_with(&network.here), "{address}");
        let variables = printed(&made, &network.here, &address, &path("token"));
        Self { network, variables, address, dir, _full: full }
    }

    /// A command of the other network, with the printed variables.
    fn command(&self, program: &str) -> Command {
        let mut command = self.network.command(program);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn ran(&self, program: &str, args: &[&str]) -> Ran {
        self.command(program).args(args).output().unwrap().into()
    }
}

/// The variables that `tls init` prints, with the port of here and the token.
fn printed(made: &Ran, host: &str, address: &str, token: &str) -> Vec<(String, String)> {
    let exports = made.stderr.lines().filter_map(|line| line.strip_prefix("export "));
    let words = exports.map(|export| shlex::split(export).unwrap().remove(0));
    let pairs = words.map(|word| {
        let (name, value) = word.split_once('=').unwrap();
        (name.to_owned(), value.replace(&format!("{host}:50051"), address))
    });
    pairs.chain([("HERO_SUPERVISOR_TOKEN_FILE".to_owned(), token.to_owned())]).collect()
}

/// The client of a language runs a job. It is built on this side of the wire.
async fn runs_a_job(language: &str) {
    let mut built = Runner::start(language);
    let id = built.send(&json!({"do": "connect", "address": "127.0.0.1:1"})).await;
    built.end(id).await.unwrap();
    drop(built);

    let newcomer = Newcomer::new().await;
    let mut command = newcomer.command(RUNNER);
    command.arg(language);
    let mut runner = Runner::start_by(&mut command.into());
    let (_, server) = &newcomer.variables[0];
    let id = runner.send(&json!({"do": "connect", "address": server})).await;
    let connected = runner.end(id).await.unwrap();
    assert!(connected["error"].is_null(), "{connected}");
    let job = json!({"do": "run", "scriptType": "SCRIPT_TYPE_OSIS", "script": "40 + 2", "timeoutMs": 60000});
    let id = runner.send(&job).await;
    let ran = runner.end(id).await.unwrap();
    assert_eq!(ran["ok"]["result"], "42", "{ran}");
    assert_eq!(ran["ok"]["spec"]["callerId"], "newcomer", "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn go_runs_a_job_from_another_network() {
    runs_a_job("go").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn java_runs_a_job_from_another_network() {
    runs_a_job("java").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_runs_a_job_from_another_network() {
    runs_a_job("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_that_blocks_runs_a_job_from_another_network() {
    runs_a_job("python-blocking").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_runs_a_job_from_another_network() {
    runs_a_job("rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_runs_a_job_from_another_network() {
    runs_a_job("typescript").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_and_grpcurl_run_jobs_from_another_network() {
    let newcomer = Newcomer::new().await;
    let ran = newcomer.ran(PROGRAM, &["job", "run", "40 + 2"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "42\n"), "{ran:?}");
    let plain = format!("http://{}", newcomer.address);
    let clear = newcomer.ran(PROGRAM, &["job", "run", "1", "--server", &plain]);
    assert_eq!(clear.code, 2, "{clear:?}");
    assert!(clear.stderr.contains("would send the token in the clear"), "{clear:?}");

    let path = |name: &str| newcomer.dir.path().join(name).display().to_string();
    let token = std::fs::read_to_string(path("token")).unwrap();
    let header = format!("authorization: Bearer {}", token.trim());
    let (ca, cert, key) = (path("tls/ca.crt"), path("tls/client.crt"), path("tls/client.key"));
    let job = r#"{"job":{"scriptType":"SCRIPT_TYPE_OSIS","script":"40 + 2"},"maxWait":"60s"}"#;
    let args = ["-cacert", &ca, "-cert", &cert, "-key", &key, "-H", &header, "-d", job, &newcomer.address];
    let args = [&args[..], &["hero.supervisor.v1.Supervisor/RunJob"]].concat();
    let ran = newcomer.ran(&grpcurl(), &args);
    assert!(ran.code == 0 && ran.stdout.contains("\"result\": \"42\""), "{ran:?}");
}

/// Where Go installs it, unless it is in the path.
fn grpcurl() -> String {
    let own = format!("{}/go/bin/grpcurl", std::env::var("HOME").unwrap_or_default());
    if Path::new(&own).exists() { own } else { "grpcurl".to_owned() }
}
