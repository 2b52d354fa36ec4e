//! The rules of `docs/alerts.yml` and the panels of the dashboard, on a real Prometheus that scrapes a real service.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::access::pki::Ca;
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Ran, Service, run};
use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

const RULES: &str = "docs/alerts.yml";

/// A program of Prometheus: of this machine, or as `.ci/install prometheus` has unpacked it.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/prometheus/usr/bin");
    let found = std::env::split_paths(&path).chain([unpacked]).map(|folder| folder.join(name));
    found.into_iter().find(|file| file.is_file()).expect("there is Prometheus: `.ci/install prometheus`")
}

/// The first address that a log says after these words.
async fn logged(what: &str, log: impl Fn() -> String) -> String {
    eventually(&format!("{what:?} is logged"), LIMIT, || {
        let log = log();
        let rest = log.lines().find_map(|line| line.split_once(what)).map(|(_, rest)| rest);
        let address = rest.and_then(|rest| rest.split_whitespace().next()).map(str::to_owned);
        async move { address }
    })
    .await
}

/// A Prometheus of the test's own, which looks each second.
struct Prometheus {
    dir: TempDir,
    child: Child,
    address: String,
}

impl Prometheus {
    /// Scrapes this address. Alerts fire at once, whatever their rules say.
    async fn start(target: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rules = std::fs::read_to_string(RULES).unwrap();
        let at_once = |line: &&str| !line.trim_start().starts_with("for: ");
        let rules: Vec<&str> = rules.lines().filter(at_once).collect();
        std::fs::write(dir.path().join("rules.yml"), rules.join("\n")).unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
             scrape_configs: [{{job_name: hero, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut prometheus = Self { dir, child, address: String::new() };
        let log = prometheus.dir.path().join("log");
        prometheus.address =
            logged("\"Listening on\" address=", || std::fs::read_to_string(&log).unwrap()).await;
        prometheus
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (_head, body) = answer.split_once("\r\n\r\n")?;
        let json: Value = serde_json::from_str(body).ok()?;
        (json["status"] == "success").then(|| json["data"].clone())
    }

    /// The values of an expression, without those that are no numbers.
    async fn values(&self, expression: &str) -> Vec<f64> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric();
        let word = |byte: u8| {
            if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        };
        let query: String = expression.bytes().map(word).collect();
        let data = self.get(&format!("/api/v1/query?query={query}")).await.unwrap_or_default();
        let results = data["result"].as_array().cloned().unwrap_or_default();
        let value = |result: &Value| result["value"][1].as_str()?.parse::<f64>().ok();
        results.iter().filter_map(value).filter(|value| !value.is_nan()).collect()
    }

    /// The names of the alerts that fire.
    async fn firing(&self) -> BTreeSet<String> {
        let data = self.get("/api/v1/alerts").await.expect("Prometheus answers");
        let alerts = data["alerts"].as_array().unwrap();
        alerts.iter().map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
    }

    /// The rules as they were loaded, with the number of their evaluations that have failed.
    async fn rules(&self) -> Option<Vec<Value>> {
        let data = self.get("/api/v1/rules").await?;
        let rules = data["groups"][0]["rules"].as_array()?;
        let evaluated = rules.iter().all(|rule| rule["health"] != "unknown");
        evaluated.then(|| rules.clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// A service with everything that has metrics: TLS, tokens, an audit log, Zinit, and an actor.
struct Stack {
    service: Service,
    redis: Option<PrivateRedis>,
    _zinit: PrivateZinit,
    _dir: TempDir,
    token: String,
}

impl Stack {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Ca::new("server CA").pair(&["hero.test"]).write(dir.path());
        let at = |name: &str| dir.path().join(name).display().to_string();
        let tokens = at("tokens.toml");
        let made = run(["token", "create", "--role", "admin", "--tokens-file", &tokens, "--quiet"]);
        assert_eq!(made.code, 0, "{made:?}");
        let (redis, zinit) = (PrivateRedis::start().await, PrivateZinit::start().await);
        let (cert, key, audit) = (at("server.crt"), at("server.key"), at("audit.log"));
        let (url, socket) = (redis.url(), zinit.socket().display().to_string());
        let flags = [
            ["--redis-url", &url],
            ["--zinit-socket", &socket],
            ["--tls-cert", &cert],
            ["--tls-key", &key],
            ["--auth-tokens-file", &tokens],
            ["--audit-log", &audit],
            ["--metrics-listen", "127.0.0.1:0"],
        ];
        let service = Service::serve(flags.as_flattened()).await;
        let token = made.stdout.trim().to_owned();
        let stack = Self { service, redis: Some(redis), _zinit: zinit, _dir: dir, token };
        let created = stack.run(&["actor", "create", "osis_actor_0", "--type", "osis"]);
        assert_eq!(created.code, 0, "{created:?}");
        stack
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.service.client(args).env("HERO_SUPERVISOR_TOKEN", &self.token).output().unwrap().into()
    }

    /// Does what moves the metrics: a job, one that ends in a named queue, a ping, and a handshake.
    fn works(&self) {
        let create = ["queue", "create", "osis-night", "--type", "osis"];
        // One that is due later, so that no alert finds it waiting.
        let submit = ["job", "submit", "1", "--in", "1h", "--type", "osis", "--queue", "osis-night"];
        let cancel = ["job", "cancel", "--yes", "--queue", "osis-night"];
        for args in [&["job", "run", "40 + 2"][..], &create, &submit, &cancel, &["health", "check"]] {
            let ran = self.run(args);
            assert_eq!(ran.code, 0, "{ran:?}");
        }
        let address = format!("https://{}", self.service.address());
        // The CA is not known here, and the handshake is one all the same.
        let refused = self.run(&["info", "--server", &address]);
        assert_ne!(refused.code, 0, "{refused:?}");
    }
}

/// The names of metrics in a text, without what Prometheus makes of histograms.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("hero_")).collect()
}

/// The targets of the dashboard: title of the panel and expression.
fn targets() -> Vec<(String, String)> {
    let dashboard = std::fs::read_to_string("docs/grafana-dashboard.json").unwrap();
    let json: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = json["panels"].as_array().unwrap().iter();
    let of = |panel: &Value| {
        let title = panel["title"].as_str().unwrap_or_default().to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        let expression = |target: &Value| {
            // As Grafana sets it for scrapes each second.
            let text = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
            (title.clone(), text)
        };
        targets.iter().map(expression).collect::<Vec<_>>()
    };
    panels.flat_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_panels_have_data_on_a_healthy_service_and_an_alert_fires_on_a_sick_one() {
    let mut stack = Stack::start().await;
    stack.works();
    let target = logged("metrics: served on ", || stack.service.stderr()).await;
    let prometheus = Prometheus::start(&target).await;

    let rules = eventually("the rules are evaluated", LIMIT, || prometheus.rules()).await;
    let sick: Vec<&Value> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
    assert!(sick.is_empty(), "{sick:?}");
    let text = std::fs::read_to_string(RULES).unwrap();
    assert_eq!(rules.len(), text.matches("- alert: ").count());

    // A rate needs a change between two scrapes.
    let targets = targets();
    assert!(targets.len() > 30, "{targets:?}");
    let deadline = Instant::now() + LIMIT;
    loop {
        stack.works();
        let mut missing = Vec::new();
        for (title, expression) in &targets {
            if prometheus.values(expression).await.is_empty() {
                missing.push(format!("{title}: {expression}"));
            }
        }
        if missing.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "panels without data: {missing:#?}");
        sleep(Duration::from_millis(500)).await;
    }
    for name in metrics_in(&text) {
        assert!(!prometheus.values(&format!("count({name})")).await.is_empty(), "{name} is not there");
    }
    assert_eq!(prometheus.firing().await, BTreeSet::new());

    drop(stack.redis.take());
    let away = BTreeSet::from(["HeroRedisAway".to_owned()]);
    eventually("the alert fires", LIMIT, || async { (prometheus.firing().await == away).then_some(()) })
        .await;
}

#[test]
fn promtool_finds_no_fault_in_the_rules() {
    let checked = Command::new(program("promtool")).args(["check", "rules", RULES]).output().unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat())
    );
}

#[test]
fn each_alert_is_in_the_table_of_operations_and_the_other_way_round() {
    let page = std::fs::read_to_string("docs/operations.md").unwrap();
    let rules = std::fs::read_to_string(RULES).unwrap();
    let named = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        let is_alert =
            |word: &&str| word.strip_prefix("Hero").is_some_and(|rest| rest.starts_with(char::is_uppercase));
        words.filter(is_alert).map(str::to_owned).collect()
    };
    let table = page.split_once("| alert | means | do |").unwrap().1.split("\n\n").next().unwrap();
    let rows = table.lines().skip(2);
    let unnamed: Vec<&str> = rows.filter(|row| named(row).is_empty()).collect();
    assert!(unnamed.is_empty(), "rows without a rule: {unnamed:#?}");
    let alerts: BTreeSet<String> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect();
    assert_eq!(named(table), alerts);
}
