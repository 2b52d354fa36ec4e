//! `tls init`: what it makes is what the service and the command line take.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::full_service::FullService;
use crate::support::redis::PrivateRedis;
use crate::support::service::{Ran, command, run};

fn init(dir: &Path, args: &[&str]) -> Ran {
    let dir = dir.display().to_string();
    run([&["tls", "init", "--host", "box.example.org", "--out", &dir], args].concat())
}

/// The variables that it prints for clients.
fn variables(ran: &Ran) -> Vec<(String, String)> {
    let exports = ran.stderr.lines().filter_map(|line| line.strip_prefix("export "));
    let words = exports.map(|export| shlex::split(export).unwrap().remove(0));
    words
        .map(|word| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .collect()
}

#[test]
fn keys_are_for_their_owner_and_nothing_is_replaced_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new/tls");
    let made = init(&out, &[]);
    assert_eq!(made.code, 0, "{made:?}");
    for (name, mode) in [("ca", 0o600), ("server", 0o600), ("client", 0o600)] {
        let path = out.join(format!("{name}.key"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
    let text = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let (ca, key) = (text("ca.crt"), text("server.key"));

    let refused = init(&out, &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (5, ""), "{refused:?}");
    assert!(refused.stderr.contains("has ca.crt, ca.key, server.crt"), "{refused:?}");
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    assert_eq!((&text("ca.crt"), &text("server.key")), (&ca, &key));
    std::fs::remove_file(out.join("ca.key")).unwrap();
    let refused = init(&out, &[]);
    assert!(refused.code == 5 && !out.join("ca.key").exists(), "one that is there is enough: {refused:?}");

    let again = init(&out, &["--force"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(text("ca.crt") != ca && text("server.key") != key);
    assert_eq!(std::fs::metadata(out.join("server.key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 6);
}

#[test]
fn what_is_no_name_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tls");
    for (args, told) in [
        (vec!["--host", "http://box"], "is no name of a host"),
        (vec!["--client-uri", "backend"], "is no URI"),
        (vec!["--days", "0"], "--days"),
    ] {
        let refused = init(&out, &args);
        assert_eq!(refused.code, 2, "{args:?}: {refused:?}");
        assert!(refused.stderr.contains(told) && !out.exists(), "{args:?}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_lines_are_all_that_a_server_and_a_client_need() {
    let dir = tempfile::tempdir().unwrap();
    let made = init(&dir.path().join("my tls"), &[]);
    assert_eq!(made.code, 0, "{made:?}");
    let file = dir.path().join("hero.toml");
    std::fs::write(&file, &made.stdout).unwrap();
    let file = file.display().to_string();
    let checked = run(["config", "check", "--config", &file]);
    assert_eq!(checked.code, 0, "{checked:?}");

    let full = FullService::start_on(PrivateRedis::start().await, &["--config", &file]).await;
    full.running_actor("a0").await;
    let variables = variables(&made);
    assert_eq!(
        variables[0],
        ("HERO_SUPERVISOR_SERVER".to_owned(), "https://box.example.org:50051".to_owned())
    );
    let call = |server: &str, variables: &[(String, String)]| -> Ran {
        let mut job = command(["job", "run", "40 + 2"]);
        job.envs(variables.to_vec()).env("HERO_SUPERVISOR_SERVER", server).output().unwrap().into()
    };
    let address = full.service.address();
    let port = address.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let ran = call(&format!("https://{host}:{port}"), &variables);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "42\n"), "{ran:?}");
    }
    let nobody = call(&address, &variables[..2]);
    assert!(nobody.code == 5 && nobody.stderr.contains("TOKEN_INVALID"), "{nobody:?}");
}
