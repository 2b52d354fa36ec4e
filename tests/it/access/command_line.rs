//! The command line as a caller of a server with TLS and tokens.

use std::path::Path;

use super::pki::{Ca, write};
use super::stage::{TlsStage, write_client_ca};
use crate::support::service::{Ran, command, run};

/// Makes a token by the command, and gives it.
fn token(file: &Path, args: &[&str]) -> String {
    let file = file.display().to_string();
    let made = run(["token", "create", "--tokens-file", &file, "--quiet"].iter().chain(args));
    assert_eq!(made.code, 0, "{made:?}");
    made.stdout.trim().to_owned()
}

/// A service that wants a token, and perhaps a certificate; its own certificate is for this machine.
async fn stage(client_auth: &str) -> Caller {
    let dir = tempfile::tempdir().unwrap();
    let (ca, callers) = (Ca::new("server CA"), Ca::new("client CA"));
    ca.pair(&["localhost"]).write(dir.path());
    write(&dir.path().join("ca.crt"), &ca.pem);
    write_client_ca(dir.path(), &callers);
    let own = callers.pair(&["spiffe://hero/shell"]);
    write(&dir.path().join("own.crt"), &own.cert);
    write(&dir.path().join("own.key"), &own.key);
    let tokens = dir.path().join("tokens.toml");
    for (name, role) in [("operator", "operator"), ("viewer", "viewer")] {
        write(&dir.path().join(name), &format!("{}\n", token(&tokens, &["--role", role])));
    }
    let flags = ["--auth-tokens-file", "{dir}/tokens.toml", "--tls-client-ca", "{dir}/clients.crt"];
    let flags = [&flags[..], &["--tls-client-auth", client_auth]].concat();
    Caller(TlsStage::start_on(dir, ca, &flags).await)
}

struct Caller(TlsStage);

impl Caller {
    /// Runs a command; `{dir}` is the folder of the files and `{port}` the port of the server.
    fn run(&self, line: &str, env: &[(&str, &str)]) -> Ran {
        let fill = |text: &str| {
            let dir = self.0.dir.path().display().to_string();
            text.replace("{dir}", &dir).replace("{port}", &self.0.address().port().to_string())
        };
        let words = shlex::split(&fill(line)).unwrap();
        let env = env.iter().map(|(name, value)| (*name, fill(value)));
        command(words).envs(env).output().unwrap().into()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_and_variables_say_whom_to_trust_and_who_calls() {
    let caller = stage("optional").await;
    let at = "--server https://localhost:{port} --cacert {dir}/ca.crt";
    let listed = caller.run(&format!("actor ls {at} --token-file {{dir}}/operator"), &[]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let text = std::fs::read_to_string(caller.0.path("operator")).unwrap();
    let bare = "actor ls --server localhost:{port}";
    let listed = caller.run(&format!("{bare} --cacert {{dir}}/ca.crt --token {text}"), &[]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let env = [
        ("HERO_SUPERVISOR_SERVER", "localhost:{port}"),
        ("HERO_SUPERVISOR_CACERT", "{dir}/ca.crt"),
        ("HERO_SUPERVISOR_TOKEN_FILE", "{dir}/viewer"),
    ];
    let listed = caller.run("actor ls", &env);
    assert_eq!(listed.code, 0, "{listed:?}");

    for line in ["queue pause osis", "script-type set osis --queue-limit 7"] {
        let denied = caller.run(line, &env);
        assert_eq!((denied.code, denied.stdout.as_str()), (5, ""), "{denied:?}");
        assert!(denied.stderr.contains("[PERMISSION_DENIED]"), "{denied:?}");
    }
    let paused = caller.run("queue pause osis --token-file {dir}/operator", &env);
    assert_eq!(paused.code, 0, "an option wins over the variables: {paused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_is_not_known_is_told_so_at_once_by_every_command() {
    let caller = stage("optional").await;
    let at = "--server localhost:{port} --cacert {dir}/ca.crt";
    for with in ["", " --token hst_no"] {
        for line in ["actor ls", "job run 1", "events -f", "health watch", "top", "wait ready --actor a"] {
            let refused = caller.run(&format!("{line} {at}{with}"), &[]);
            assert_eq!((refused.code, refused.stdout.as_str()), (5, ""), "{line}: {refused:?}");
            assert!(refused.stderr.contains("[TOKEN_INVALID]"), "{line}: {refused:?}");
            assert!(refused.stderr.contains("--token-file"), "{line}: {refused:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_certificate_is_shown_one() {
    let caller = stage("required").await;
    let at = "actor ls --server localhost:{port} --cacert {dir}/ca.crt --token-file {dir}/viewer";
    let listed = caller.run(&format!("{at} --client-cert {{dir}}/own.crt --client-key {{dir}}/own.key"), &[]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let env =
        [("HERO_SUPERVISOR_CLIENT_CERT", "{dir}/own.crt"), ("HERO_SUPERVISOR_CLIENT_KEY", "{dir}/own.key")];
    assert_eq!(caller.run(at, &env).code, 0);
    let refused = caller.run(at, &[]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("show one with --client-cert"), "{refused:?}");
    let strange = "--client-cert {dir}/server.crt --client-key {dir}/server.key";
    let refused = caller.run(&format!("{at} {strange}"), &[]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("does not trust the CA of --client-cert"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_server_is_told_with_the_remedy() {
    let caller = stage("optional").await;
    for (line, told) in [
        ("--server https://localhost:{port}", "name the CA with --cacert"),
        ("--server http://localhost:{port}", "use https:// with --server"),
        (
            "--server 127.0.0.1:{port} --cacert {dir}/ca.crt",
            "name the server with --server as its certificate does",
        ),
    ] {
        let refused = caller.run(&format!("info {line}"), &[]);
        assert_eq!((refused.code, refused.stdout.as_str()), (4, ""), "{line}: {refused:?}");
        assert!(refused.stderr.contains(told), "{line}: {refused:?}");
    }
}

#[test]
fn what_cannot_be_is_refused_before_anybody_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join("odd");
    std::fs::write(&odd, "no PEM").unwrap();
    let odd = odd.display().to_string();
    for (args, told) in [
        (
            vec!["--cacert", "/nowhere"],
            "--cacert: the CA certificates cannot be read: /nowhere: No such file",
        ),
        (vec!["--cacert", &odd], "it must have blocks of BEGIN CERTIFICATE (PEM)"),
        (vec!["--client-cert", &odd], "--client-cert: a client certificate and its key go together"),
        (vec!["--token-file", "/nowhere"], "--token-file: the token file cannot be read: /nowhere"),
        (vec!["--token-file", &odd], "--token-file: the token file"),
        (vec!["--header", "authorization: Bearer x"], "use token or token_file"),
        (vec!["--header", "x"], "use NAME: VALUE"),
        (
            vec!["--server", "http://192.0.2.1:1", "--token", "hst_x"],
            "\"http://192.0.2.1:1\" would send the token in the clear to another machine: use https://192.0.2.1:1",
        ),
        (vec!["--server", "192.0.2.1"], "use host:port, http://host:port, https://host:port or unix:/path"),
    ] {
        let refused = run([&["info"], &args[..]].concat());
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{args:?}: {refused:?}");
        assert!(refused.stderr.contains(told) && !refused.stderr.contains("hst_x"), "{args:?}: {refused:?}");
    }
    let refused: Ran = command(["info"]).env("HERO_SUPERVISOR_CACERT", "/no").output().unwrap().into();
    assert!(refused.stderr.contains("HERO_SUPERVISOR_CACERT: the CA certificates"), "{refused:?}");
}
