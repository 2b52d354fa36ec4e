//! Certificates and tokens of a stage, made by the commands that make them in life.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::line::Over;
use crate::support::service::run;

/// A folder with all of them. Dropped, it is gone.
pub(super) struct Secrets {
    dir: TempDir,
    mutual: bool,
}

impl Secrets {
    pub(super) fn make(over: Over) -> Self {
        let dir = tempfile::Builder::new().prefix("sec").tempdir_in("/tmp").unwrap();
        let out = dir.path().display().to_string();
        let made = run(["tls", "init", "--host", "localhost", "--out", &out]);
        assert_eq!(made.code, 0, "{made:?}");
        token(dir.path(), "admin", &["--role", "admin"]);
        let scopes = ["--role", "submitter", "--caller", "alice", "--script-type", "osis"];
        token(dir.path(), "submitter", &scopes);
        Self { dir, mutual: matches!(over, Over::MutualTls) }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The file with the CA that has signed for the server.
    pub(super) fn ca(&self) -> String {
        self.path("ca.crt")
    }

    /// The socket of metrics.
    pub(super) fn metrics(&self) -> PathBuf {
        self.dir.path().join("m")
    }

    /// Flags of `serve`.
    pub(super) fn flags(&self) -> Vec<String> {
        let metrics = format!("unix:{}", self.path("m"));
        let (cert, key, ca) = (self.path("server.crt"), self.path("server.key"), self.path("ca.crt"));
        let tokens = self.path("tokens.toml");
        let tls = ["--metrics-listen", &metrics, "--tls-cert", &cert, "--tls-key", &key];
        let mutual = ["--tls-client-ca", &ca, "--tls-client-auth", "required", "--auth-tokens-file", &tokens];
        let flags = if self.mutual { [&tls[..], &mutual].concat() } else { tls.to_vec() };
        flags.into_iter().map(str::to_owned).collect()
    }

    /// Adds to a `connect` what it takes to be an admin.
    pub(super) fn complete(&self, connect: &mut Value) {
        connect["cacert"] = json!(self.path("ca.crt"));
        if self.mutual {
            connect["clientCert"] = json!(self.path("client.crt"));
            connect["clientKey"] = json!(self.path("client.key"));
            connect["tokenFile"] = json!(self.path("admin"));
        }
    }

    /// Values of scenarios.
    pub(super) fn values(&self) -> [(String, String); 5] {
        let names = [
            ("cacert", "ca.crt"),
            ("clientCert", "client.crt"),
            ("clientKey", "client.key"),
            ("admin", "admin"),
            ("submitter", "submitter"),
        ];
        names.map(|(name, file)| (name.to_owned(), self.path(file)))
    }
}

/// Makes a token, and writes it into a file of that name.
fn token(dir: &Path, name: &str, args: &[&str]) {
    let file = dir.join("tokens.toml").display().to_string();
    let made = run([&["token", "create", "--tokens-file", &file, "--quiet"], args].concat());
    assert_eq!(made.code, 0, "{made:?}");
    std::fs::write(dir.join(name), made.stdout).unwrap();
}
