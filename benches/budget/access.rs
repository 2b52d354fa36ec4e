//! What it costs to ask who calls, to encrypt, and to note it: each beside the same without, in turns, on the same machine.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::app::identities::Identities;
use hero_supervisor::config::{AuthFlags, Config, Env, Flags};
use hero_supervisor::domain::access::{Identity, IdentityKind, NewToken, Role, StoredToken, TokenTable};
use hero_supervisor::ports::authenticator::{Authenticator, Credentials};
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::load::{Latencies, ROUNDS, run_request};
use crate::report::{Goal, row, row_to};
use crate::stage::{Process, Stage};

/// Time of one round.
const ROUND: Duration = Duration::from_secs(2);
/// Checks of a token that are measured together.
const CHECKS: u32 = 200_000;

/// Adds a token, if there is one.
#[derive(Clone)]
struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

type Client = SupervisorClient<InterceptedService<Channel, Bearer>>;

/// A supervisor with an actor, and a caller of it.
struct Side {
    _actor: Process,
    _stage: Stage,
    client: Client,
}

impl Side {
    async fn start(folder: &Path, name: &str, guarded: bool, audited: bool) -> Self {
        let at = |file: &str| folder.join(file).display().to_string();
        let (mut flags, mut token, mut ca) = (Vec::new(), None, None);
        if guarded {
            let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(at("cert"), key.cert.pem()).unwrap();
            write_private(&folder.join("key"), &key.signing_key.serialize_pem());
            ca = Some(Certificate::from_pem(key.cert.pem()));
            token = Some(create_token(&at("tokens")));
            flags.extend(["--tls-cert".to_owned(), at("cert"), "--tls-key".to_owned(), at("key")]);
            flags.extend(["--auth-tokens-file".to_owned(), at("tokens")]);
        }
        if audited {
            flags.extend(["--audit-log".to_owned(), at(&format!("audit-{name}"))]);
        }
        let stage = Stage::start_with_flags(&flags).await;
        let scheme = if guarded { "https" } else { "http" };
        let mut endpoint =
            Endpoint::from_shared(format!("{scheme}://{}", stage.tcp_address())).unwrap().tcp_nodelay(true);
        if let Some(ca) = ca {
            let tls = ClientTlsConfig::new().domain_name("localhost").ca_certificate(ca);
            endpoint = endpoint.tls_config(tls).unwrap();
        }
        let bearer = Bearer(token.map(|token| format!("Bearer {token}").parse().unwrap()));
        let client = SupervisorClient::with_interceptor(endpoint.connect().await.unwrap(), bearer);
        let actor = stage.exec_osis_actor(&format!("bench_{name}"));
        let side = Self { _actor: actor, _stage: stage, client };
        side.run(1, Duration::from_millis(1)).await;
        side
    }

    /// Callers that each run one job after the other.
    async fn run(&self, callers: usize, span: Duration) -> Latencies {
        let begun = Instant::now();
        let each = (0..callers).map(|_| {
            let mut client = self.client.clone();
            async move {
                let mut latencies = Vec::new();
                while latencies.is_empty() || begun.elapsed() < span {
                    let sent = Instant::now();
                    client.run_job(run_request()).await.unwrap();
                    latencies.push(sent.elapsed());
                }
                latencies
            }
        });
        let mut all = Latencies::new();
        for latency in join_all(each).await.into_iter().flatten() {
            all.record(latency);
        }
        all.finish(begun.elapsed())
    }
}

fn create_token(file: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hero-supervisor"));
    command.args(["token", "--tokens-file", file, "create", "--quiet", "--role", "operator"]);
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

fn write_private(path: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

pub(crate) async fn rows() {
    check_rows();
    let folder = tempfile::Builder::new().prefix("hb").tempdir_in("/tmp").unwrap();
    let plain = Side::start(folder.path(), "plain", false, false).await;
    let guarded = Side::start(folder.path(), "guarded", true, false).await;
    let noted = Side::start(folder.path(), "noted", false, true).await;
    let both = Side::start(folder.path(), "both", true, true).await;
    let sides =
        [(&guarded, "TLS and a token"), (&noted, "the audit log"), (&both, "TLS, a token and the audit log")];
    for (callers, how) in [(1, "one at a time"), (64, "64 at once")] {
        let (mut base, mut all) = (Vec::new(), [const { Vec::new() }; 3]);
        // In turns, since a shared machine is faster at one moment than at another.
        for number in 0..=ROUNDS {
            let first = plain.run(callers, ROUND).await;
            if number > 0 {
                base.push(first);
            }
            for (latencies, (side, _)) in all.iter_mut().zip(sides) {
                let round = side.run(callers, ROUND).await;
                if number > 0 {
                    latencies.push(round);
                }
            }
        }
        let base = middle(base);
        for (latencies, (_, what)) in all.into_iter().zip(sides) {
            let side = middle(latencies);
            let what_of = format!("RunJob no-op OSIS, {how}, TCP with {what}");
            let times = side.at(50.0) / base.at(50.0);
            let left = 100.0 * side.per_second() / base.per_second();
            let (measured, floor, goal) = match callers {
                1 => (
                    format!("p50 {} ms, p99 {} ms", side.millis(50.0), side.millis(99.0)),
                    format!("plain p50 {} ms (x{times:.2})", base.millis(50.0)),
                    Goal::at_most(times, 1.15, " times plain"),
                ),
                _many => (
                    format!(
                        "{} jobs/s, p50 {} ms, p99 {} ms",
                        side.rate(),
                        side.millis(50.0),
                        side.millis(99.0)
                    ),
                    format!("plain {} jobs/s ({left:.0} %)", base.rate()),
                    Goal::at_least(left, 80.0, " % of plain"),
                ),
            };
            // The audit log has no goal: whoever wants it pays for it.
            match what.contains("audit") {
                true => row(&what_of, &measured, &floor),
                false => row_to(&what_of, &measured, &floor, goal),
            }
        }
    }
}

fn middle(mut rounds: Vec<Latencies>) -> Latencies {
    rounds.sort_by(|a, b| a.per_second().total_cmp(&b.per_second()));
    rounds.swap_remove(rounds.len() / 2)
}

/// What a check costs, among few tokens and among many.
fn check_rows() {
    for count in [10, 10_000] {
        let auth = AuthFlags { mode: Some("required".to_owned()), ..AuthFlags::default() };
        let flags = Flags { auth, ..Flags::default() };
        let config = Config::load(Config::layers(None, Env::default(), flags)).unwrap().config;
        let identities = Identities::new(&config, Arc::new(SystemClock));
        let tokens: Vec<NewToken> = (0..count).map(token).collect();
        identities.set_tokens(TokenTable::new(tokens.iter().map(|token| StoredToken {
            identity: Identity::new(IdentityKind::Token, token.id.clone(), Role::Operator),
            digest: token.digest,
            previous: None,
            created_at: None,
        })));
        let begun = Instant::now();
        for (_, token) in (0..CHECKS).zip(tokens.iter().cycle()) {
            let shown = Credentials { bearer: Some(&token.text), ..Credentials::default() };
            assert!(identities.authenticate(shown).is_ok());
        }
        let each = begun.elapsed() / CHECKS;
        let micros = each.as_secs_f64() * 1e6;
        let goal = Goal::at_most(micros, 5.0, " µs");
        row_to(&format!("check of one of {count} tokens"), &format!("{micros:.2} µs"), "", goal);
    }
}

fn token(number: u32) -> NewToken {
    let mut secret = [7; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    NewToken::new(&format!("t{number}"), &secret)
}
