//! A Redis that speaks TLS and wants to know its clients.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hero_supervisor::adapters::redis::{RedisAccess, RedisConfig, RedisQueue};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::error::chain;
use hero_supervisor::ports::queue_maintenance::QueueMaintenance;
use tempfile::TempDir;

use super::rights::{EXAMPLES, definition, env_of, targeted};
use crate::access::pki::{Ca, write};
use crate::support::full_service::{OSIS_ACTOR, client, create, osis, run};
use crate::support::redis::redis_server;
use crate::support::service::{LIMIT, Service, run as command};
use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

/// A redis-server with certificates, and files of clients beside it.
struct TlsRedis {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl TlsRedis {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ca, clients, other) = (Ca::new("redis CA"), Ca::new("client CA"), Ca::new("other CA"));
        ca.pair(&["localhost"]).write(dir.path());
        for (name, text) in [("ca", &ca.pem), ("clients", &clients.pem), ("other", &other.pem)] {
            write(&dir.path().join(name), text);
        }
        for (name, pair) in [("known", clients.pair(&["backend"])), ("stranger", other.pair(&["backend"]))] {
            write(&dir.path().join(format!("{name}-cert")), &pair.cert);
            write(&dir.path().join(format!("{name}-key")), &pair.key);
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = |name: &str| dir.path().join(name).display().to_string();
        let child = Command::new(redis_server())
            .args(["--port", "0", "--save", "", "--bind", "127.0.0.1", "-::1", "--tls-auth-clients", "yes"])
            .args(["--tls-port", &port.to_string(), "--dir", dir.path().to_str().unwrap()])
            .args(["--tls-cert-file", &file("server.crt"), "--tls-key-file", &file("server.key")])
            .args(["--tls-ca-cert-file", &file("clients")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self { dir, port, child };
        eventually("Redis answers by TLS", LIMIT, || async { redis.ask(&redis.known()).await.ok() }).await;
        redis
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.dir.path().join(name))
    }

    fn url(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }

    fn known(&self) -> RedisAccess {
        let (tls_ca, tls_cert, tls_key) = (self.path("ca"), self.path("known-cert"), self.path("known-key"));
        RedisAccess { tls_ca, tls_cert, tls_key, ..RedisAccess::default() }
    }

    /// Asks as a supervisor does.
    async fn ask(&self, access: &RedisAccess) -> Result<Duration, String> {
        let config = RedisConfig { url: self.url(), access: access.clone(), ..RedisConfig::default() };
        let queue = RedisQueue::new(config).map_err(|error| chain(&error))?;
        let answer = queue.probe().await.map_err(|error| chain(&error));
        queue.close().await;
        answer
    }
}

impl Drop for TlsRedis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn flags(access: &RedisAccess) -> Vec<String> {
    let files = [("ca", &access.tls_ca), ("cert", &access.tls_cert), ("key", &access.tls_key)];
    let named = files.into_iter().filter_map(|(name, path)| Some((name, path.as_deref()?)));
    named.map(|(name, path): (&str, &Path)| format!("--redis-tls-{name}={}", path.display())).collect()
}

#[tokio::test]
async fn a_service_and_its_actor_talk_to_redis_by_tls() {
    let (redis, zinit) = (TlsRedis::start().await, PrivateZinit::start().await);
    let (url, socket) = (redis.url(), zinit.socket().display().to_string());
    let mut args = vec!["--redis-url".to_owned(), url.clone(), "--zinit-socket".to_owned(), socket];
    args.extend(flags(&redis.known()));
    let service = Service::serve(&args.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut client = client(&service);
    let env = env_of(url, &redis.known());
    create(&mut client, definition("a", ScriptType::OSIS, OSIS_ACTOR, env.clone())).await;
    assert_eq!(run(&client, osis("40 + 2")).await.result.unwrap(), "42");
    for (script_type, id, program, script) in EXAMPLES {
        create(&mut client, definition(id, script_type, program, env.clone())).await;
        assert_eq!(run(&client, targeted(script_type, id, script)).await.result.unwrap(), "42", "{id}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_by_the_setting() {
    let redis = TlsRedis::start().await;
    let known = redis.known();
    let stranger = (redis.path("stranger-cert"), redis.path("stranger-key"));
    let cases = [
        (RedisAccess { tls_ca: redis.path("other"), ..known.clone() }, "redis_tls_ca: no CA in "),
        (RedisAccess { tls_ca: None, ..known.clone() }, "redis_tls_ca is not set"),
        (
            RedisAccess { tls_cert: None, tls_key: None, ..known.clone() },
            "redis_tls_cert: Redis seems to want a certificate",
        ),
        (
            RedisAccess { tls_cert: stranger.0, tls_key: stranger.1, ..known.clone() },
            "redis_tls_cert: Redis does not accept the certificate in ",
        ),
        (RedisAccess { tls_key: redis.path("stranger-key"), ..known.clone() }, "redis_tls_key"),
    ];
    for (access, expected) in cases {
        let told = redis.ask(&access).await.unwrap_err();
        assert!(told.contains(expected), "{access:?}: {told}");
        let doctor = command(
            ["doctor", "--process-manager=local", "--redis-url", &redis.url()]
                .map(str::to_owned)
                .iter()
                .chain(&flags(&access)),
        );
        assert!(doctor.stdout.contains(expected), "{doctor:?}");
        let mut check = Command::new(OSIS_ACTOR);
        let said = check.args(["--health-check", "--redis-url", &redis.url()]).args(flags(&access)).output();
        let said = String::from_utf8_lossy(&said.unwrap().stderr).into_owned();
        assert!(said.contains(expected), "{said}");
    }
}
