//! Tokens on the real service: the commands, and what a running supervisor makes of a changed file.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hero_supervisor::proto as pb;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::caller::Bearer;
use crate::metrics::{scrape, value};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, PROGRAM, Ran, Service, run};
use crate::support::wait::eventually;

/// A folder with a token file, and the commands on it.
struct File {
    _dir: TempDir,
    path: PathBuf,
}

impl File {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.toml");
        Self { _dir: dir, path }
    }

    /// The socket of the metrics, beside the file.
    fn metrics(&self) -> PathBuf {
        self.path.with_file_name("metrics")
    }

    fn run(&self, args: &[&str]) -> Ran {
        let file = self.path.to_str().unwrap();
        run([&["token", "--tokens-file", file], args].concat())
    }

    /// Makes a token and returns it.
    fn create(&self, args: &[&str]) -> String {
        let ran = self.run(&[&["create", "--quiet"], args].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        ran.stdout.trim_end().to_owned()
    }

    fn read(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }
}

#[test]
fn a_token_is_shown_once_and_its_secret_is_nowhere_else() {
    let file = File::new();
    let shown = file.run(&["create", "--role", "viewer", "--id", "reader", "--name", "a reader"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let token = shown.stdout.trim_end();
    assert!(token.starts_with("hst_reader_") && shown.stdout.lines().count() == 1, "{shown:?}");
    assert!(shown.stderr.contains("shown only now"), "{shown:?}");
    let secret = token.split('_').nth(2).unwrap();
    assert!(!file.read().contains(secret) && !file.run(&["ls"]).stdout.contains(secret));
    assert_eq!(std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
    let listed = file.run(&["ls", "--output", "json"]).json();
    assert_eq!((&listed[0]["id"], &listed[0]["roles"][0]), (&"reader".into(), &"viewer".into()));
    assert_eq!(file.run(&["ls", "--quiet"]).stdout, "reader\n");

    let rotated = file.run(&["rotate", "--quiet", "--grace", "1h", "reader"]);
    assert!(rotated.stdout.starts_with("hst_reader_") && rotated.stdout.trim_end() != token, "{rotated:?}");
    assert!(file.run(&["ls", "--output", "json"]).json()[0]["previous_not_after"].is_string());
    assert_eq!(file.run(&["revoke", "reader"]).code, 0);
    assert_eq!(file.run(&["revoke", "reader"]).code, 3);
    assert_eq!(file.run(&["rotate", "reader"]).code, 3);
    assert_eq!(file.run(&["ls", "--quiet"]).stdout, "");
}

#[test]
fn what_cannot_be_meant_is_refused_and_writes_nothing() {
    let file = File::new();
    let table: [(&[&str], &str); 8] = [
        (&["--role", "viewer", "--ttl", "18446744073709551615s"], "at most 1000 years"),
        (&["--role", "king"], "use viewer, submitter, operator or admin"),
        (&["--role", "worker"], "kept for later"),
        (&["--role", "submitter"], "callers"),
        (&["--role", "admin", "--caller", "x"], "does not bind"),
        (&["--role", "viewer", "--id", "A b"], "a-z, 0-9"),
        (&["--role", "viewer", "--not-after", "2001-01-01T00:00:00Z"], "has passed"),
        (&["--role", "viewer", "--caller", "a*b"], "last character"),
    ];
    for (args, told) in table {
        let ran = file.run(&[&["create"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
        assert!(ran.stderr.contains(told), "{told}: {ran:?}");
    }
    assert!(!file.path.exists());
    file.create(&["--role", "viewer", "--id", "taken", "--name", "\u{9b}31m\u{202e}"]);
    for output in ["table", "json"] {
        let listed = file.run(&["ls", "--output", output]).stdout;
        assert!(!listed.contains(['\u{9b}', '\u{202e}']) && listed.contains("202e"), "{listed}");
    }
    assert_eq!(file.run(&["create", "--role", "viewer", "--id", "taken"]).code, 5);
    std::fs::set_permissions(&file.path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(file.run(&["ls"]).stderr.contains("chmod 600"));
    assert!(run(["token", "ls"]).stderr.contains("--tokens-file"));
}

struct Running {
    file: File,
    _redis: PrivateRedis,
    service: Service,
}

impl Running {
    async fn start(file: File) -> Self {
        let redis = PrivateRedis::start().await;
        let (url, path) = (redis.url(), file.path.display().to_string());
        let metrics = format!("unix:{}", file.metrics().display());
        let args = ["--redis-url", &url, "--process-manager", "local", "--auth-tokens-file", &path];
        let args = [&args[..], &["--metrics-listen", &metrics]].concat();
        let service = Service::serve(&args).await;
        Self { file, _redis: redis, service }
    }

    fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("unix://{}", self.service.socket().display())).unwrap().connect_lazy()
    }

    async fn list(&self, token: &str) -> Result<(), Status> {
        let mut client = SupervisorClient::with_interceptor(self.channel(), Bearer::of(token));
        client.list_actors(pb::ListActorsRequest::default()).await.map(drop)
    }

    async fn until(&self, what: &str, token: &str, code: Option<Code>) {
        eventually(what, LIMIT, || async {
            let got = self.list(token).await.err().map(|status| status.code());
            (got == code).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_running_service_follows_the_file_and_keeps_what_it_knew_while_the_file_is_broken() {
    let file = File::new();
    let (first, second) = (
        file.create(&["--role", "viewer", "--id", "first"]),
        file.create(&["--role", "operator", "--id", "second"]),
    );
    let running = Running::start(file).await;
    running.list(&first).await.unwrap();

    // A new token is known soon; a broken file changes nothing and is told.
    let third = running.file.create(&["--role", "viewer"]);
    running.until("the new token is known", &third, None).await;
    let good = running.file.read();
    std::fs::write(&running.file.path, format!("{good}[[token]\nid = ")).unwrap();
    eventually("the fault is told", LIMIT, || async {
        running.service.stderr().contains("tokens: not loaded").then_some(())
    })
    .await;
    let told = super::reload::event(&running.service, pb::event::Type::ServerReloadFailed).await;
    assert_eq!(super::reload::subject(&told).0, "tokens");
    for token in [&first, &second, &third] {
        running.list(token).await.unwrap();
    }

    // A token that is revoked takes its watches with it, and others go on.
    std::fs::write(&running.file.path, good).unwrap();
    let mut watcher = SupervisorClient::with_interceptor(running.channel(), Bearer::of(&first));
    let mut watch = watcher.watch_events(pb::WatchEventsRequest::default()).await.unwrap().into_inner();
    assert_eq!(running.file.run(&["revoke", "first"]).code, 0);
    let ended = loop {
        match tokio::time::timeout(LIMIT, watch.message()).await.expect("the watch ends") {
            Ok(message) => assert!(message.is_some(), "it ended well"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unauthenticated);
    running.until("the revoked token is refused", &first, Some(Code::Unauthenticated)).await;
    running.list(&second).await.unwrap();

    // Rotated: both secrets for the grace period, and the old one no longer.
    let rotated =
        running.file.run(&["rotate", "--quiet", "--grace", "2s", "second"]).stdout.trim_end().to_owned();
    running.until("the new secret is known", &rotated, None).await;
    running.until("the old secret has ended", &second, Some(Code::Unauthenticated)).await;
    running.list(&rotated).await.unwrap();
}

#[tokio::test]
async fn the_own_user_is_an_admin_on_the_unix_socket_and_nobody_is_on_tcp() {
    let file = File::new();
    let reader = file.create(&["--role", "viewer"]);
    let running = Running::start(file).await;
    // The command line uses the socket, as the user that runs the service.
    assert_eq!(running.service.run(["queue", "pause", "osis"]).code, 0);
    // A token that is sent as well counts instead.
    let mut less = SupervisorClient::with_interceptor(running.channel(), Bearer::of(&reader));
    let pause = pb::PauseQueueRequest {
        script_type: pb::ScriptType::Osis.into(),
        reason: String::new(),
        ..Default::default()
    };
    assert_eq!(less.pause_queue(pause.clone()).await.unwrap_err().code(), Code::PermissionDenied);
    let port = port(&running.service.ready_file());
    let tcp = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap().connect_lazy();
    let mut nobody = SupervisorClient::new(tcp);
    assert_eq!(nobody.pause_queue(pause).await.unwrap_err().code(), Code::Unauthenticated);
    assert!(nobody.get_server_info(pb::GetServerInfoRequest {}).await.is_ok());
    // Metrics count who calls, and events name who has done it.
    let seen = scrape(&running.file.metrics()).await;
    let series = "hero_identity_requests_total";
    assert_eq!(
        value(&seen, series, &["token:", "PERMISSION_DENIED"]),
        None,
        "it did not come through: {seen}"
    );
    assert!(value(&seen, series, &["identity=\"unix:", "code=\"OK\""]).is_some(), "{seen}");
    let events = running.service.run(["events", "--output", "json"]);
    let uid = nix::unistd::geteuid().as_raw();
    assert!(events.stdout.contains(&format!("unix:{uid}")), "{events:?}");
}

/// The TCP port in the ready file.
fn port(ready: &Path) -> u16 {
    let text = std::fs::read_to_string(ready).unwrap();
    let place = text.find("127.0.0.1:").unwrap_or_else(|| panic!("{text}"));
    let digits: String = text[place + 10..].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[tokio::test]
async fn a_service_does_not_start_with_a_file_that_is_broken_or_missing() {
    let file = File::new();
    let path = file.path.display().to_string();
    let serve = || run(["serve", "--listen", "127.0.0.1:0", "--auth-tokens-file", &path]);
    let missing = serve();
    assert!(missing.code != 0 && missing.stderr.contains("tokens.toml"), "{missing:?}");
    file.create(&["--role", "viewer"]);
    std::fs::write(&file.path, format!("{}colour = 1\n", file.read())).unwrap();
    let broken = serve();
    assert!(broken.code == 2 && broken.stderr.contains("colour"), "{broken:?}");
    let checked = run(["config", "check", "--auth-tokens-file", &path]);
    assert!(checked.code == 2 && checked.stderr.contains("colour"), "{checked:?}");
}

#[tokio::test]
async fn headers_that_only_look_like_credentials_are_none_over_grpc_web() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let file = File::new();
    let token = file.create(&["--role", "admin"]);
    let redis = PrivateRedis::start().await;
    let (url, path) = (redis.url(), file.path.display().to_string());
    let args = [
        "--redis-url",
        &url,
        "--process-manager",
        "local",
        "--auth-tokens-file",
        &path,
        "--grpc-web-origin",
        "https://dash.example.org",
    ];
    let service = Service::serve(&args).await;
    let port = port(&service.ready_file());
    let ask = async |headers: String, body: Vec<u8>| {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let head = format!(
            "POST /hero.supervisor.v1.Supervisor/ListActors HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/grpc-web+proto\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        let mut answer = Vec::new();
        let _hung_up = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let empty = || vec![0; 5];
    let open = ask(format!("authorization: Bearer {token}\r\n"), empty()).await;
    assert!(open.contains("grpc-status:0"), "{open}");
    // A frame of trailers in the request, as responses have one.
    let trailers = format!("authorization: Bearer {token}\r\n");
    let mut smuggled = vec![0, 0, 0, 0, 0, 0x80, 0, 0, 0, u8::try_from(trailers.len()).unwrap()];
    smuggled.extend(trailers.as_bytes());
    let bearer = format!("Bearer {token}");
    let attempts = [
        (String::new(), smuggled),
        (format!("x-authorization: {bearer}\r\n"), empty()),
        (format!("grpc-metadata-authorization: {bearer}\r\n"), empty()),
        (format!("proxy-authorization: {bearer}\r\n"), empty()),
        (format!("cookie: authorization={bearer}\r\n"), empty()),
        (format!("authorization-bin: {bearer}\r\n"), empty()),
        (format!("authorization: {bearer}\r\nauthorization: {bearer}\r\n"), empty()),
        (format!("authorization: {bearer}, {bearer}\r\n"), empty()),
        ("x-forwarded-for: 127.0.0.1\r\nx-remote-user: root\r\n".to_owned(), empty()),
    ];
    for (headers, body) in attempts {
        let answer = ask(headers.clone(), body).await;
        assert!(
            answer.contains("grpc-status: 16") || answer.contains("grpc-status:16"),
            "{headers}: {answer}"
        );
    }
}

#[test]
fn the_commands_on_the_page_run_as_they_stand() {
    let page = include_str!("../../../docs/security.md");
    let dir = tempfile::tempdir().unwrap();
    let mut ran = 0;
    for block in page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        if !block.contains("hero-supervisor token") {
            continue;
        }
        // The name of the program is its path here.
        let script = format!("set -e\n{}", block.replace("hero-supervisor t", &format!("{PROGRAM} t")));
        let output =
            std::process::Command::new("sh").arg("-c").arg(&script).current_dir(dir.path()).output().unwrap();
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        ran += 1;
    }
    assert_eq!(ran, 2);
}
