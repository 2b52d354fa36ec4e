//! The metrics are for viewers where that is asked for.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service, run};
use crate::support::wait::eventually;

/// Makes a token with these flags.
fn token(file: &Path, flags: &[&str]) -> String {
    let file = file.to_str().unwrap();
    let made = run(["token", "create", "--tokens-file", file, "--quiet"].iter().chain(flags));
    assert_eq!(made.code, 0, "{made:?}");
    made.stdout.trim().to_owned()
}

/// Status and text of an answer.
async fn get(address: &str, authorization: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let header = authorization.map(|value| format!("authorization: {value}\r\n")).unwrap_or_default();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[tokio::test]
async fn a_scrape_needs_the_token_of_a_viewer_and_wrong_ones_are_held_back() {
    let (dir, redis) = (tempfile::tempdir().unwrap(), PrivateRedis::start().await);
    let file = dir.path().join("tokens.toml");
    let viewer = format!("Bearer {}", token(&file, &["--role", "viewer", "--id", "prometheus"]));
    let submitter = token(&file, &["--role", "submitter", "--caller", "a", "--script-type", "osis"]);
    let service = Service::serve(&[
        "--redis-url",
        &redis.url(),
        "--process-manager=local",
        "--auth-tokens-file",
        file.to_str().unwrap(),
        "--metrics-listen=127.0.0.1:0",
        "--metrics-auth=required",
    ])
    .await;
    let address = eventually("the address of the metrics is logged", LIMIT, || {
        let log = service.stderr();
        let line = log.lines().find_map(|line| line.split_once("metrics: served on ").map(|(_, rest)| rest));
        let address = line.and_then(|line| line.split_whitespace().next()).map(str::to_owned);
        async move { address }
    })
    .await;

    let (status, text) = get(&address, Some(&viewer)).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("hero_supervisor_info"), "{text}");
    let (status, text) = get(&address, Some(&format!("Bearer {submitter}"))).await;
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("text/plain") && text.contains("viewer"), "{text}");
    let (status, text) = get(&address, None).await;
    assert_eq!(status, 401, "{text}");
    assert!(
        text.to_lowercase().contains("www-authenticate: bearer") && text.contains("text/plain"),
        "{text}"
    );

    for _ in 0..10 {
        assert_eq!(get(&address, Some("Bearer hst_x_y_z")).await.0, 401);
    }
    let begun = Instant::now();
    assert_eq!(get(&address, Some("Bearer hst_x_y_z")).await.0, 401);
    assert!(begun.elapsed() >= Duration::from_millis(250), "the eleventh is late");
    let (status, text) = get(&address, Some(&viewer)).await;
    assert_eq!(status, 200);
    let counted = text.lines().find(|line| {
        line.starts_with("hero_auth_failures_total") && line.contains("malformed") && line.ends_with(" 11")
    });
    assert!(counted.is_some(), "{text}");

    // A revoked token is refused within seconds.
    assert_eq!(run(["token", "revoke", "--tokens-file", file.to_str().unwrap(), "prometheus"]).code, 0);
    eventually("the revoked token is refused", LIMIT, || async {
        (get(&address, Some(&viewer)).await.0 == 401).then_some(())
    })
    .await;
}

#[test]
fn metrics_that_others_can_reach_need_a_token_and_tls_as_soon_as_calls_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    token(&file, &["--role", "viewer"]);
    let check = |flags: &[&str]| {
        let file = ["config", "check", "--auth-tokens-file", file.to_str().unwrap()];
        run(file.iter().chain(flags))
    };
    let public = "--metrics-listen=0.0.0.0:9464";
    for (flags, told) in [
        (&[public][..], "metrics_listen (--metrics-listen): can be reached"),
        (&[public, "--metrics-auth=off"], "metrics_auth (--metrics-auth): is off"),
        (&["--metrics-listen=127.0.0.1:9464", "--auth-mode=off", "--metrics-auth=required"], "metrics_auth"),
    ] {
        let ran = check(flags);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
    for flags in [
        &[public, "--insecure"][..],
        &[public, "--metrics-auth=off", "--insecure"],
        &["--metrics-listen=127.0.0.1:9464"],
        &["--metrics-listen=127.0.0.1:9464", "--metrics-auth=required"],
    ] {
        let ran = check(flags);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}
