//! Certificates of a Cluster that speaks TLS, made as `tls init` makes them.

use std::path::{Path, PathBuf};

use hero_supervisor::adapters::redis::RedisAccess;
use redis::{ClientTlsConfig, TlsCertificates};

use super::service::run;

/// A folder with a CA, a pair for servers and a pair for clients.
pub(crate) struct ClusterTls(PathBuf);

impl ClusterTls {
    pub(crate) fn make(dir: &Path) -> Self {
        let folder = dir.join("tls");
        let made = run(["tls", "init", "--host", "127.0.0.1", "--out", folder.to_str().unwrap()]);
        assert!(made.code == 0, "{made:?}");
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Lets a server speak nothing but TLS. Towards other servers it is a client, and shows the certificate of one.
    pub(crate) fn server_args(&self, port: &str) -> Vec<String> {
        let mut args =
            ["--port", "0", "--tls-port", port, "--tls-cluster", "yes", "--tls-replication", "yes"]
                .map(str::to_owned)
                .to_vec();
        for (option, name) in [
            ("--tls-ca-cert-file", "ca.crt"),
            ("--tls-cert-file", "server.crt"),
            ("--tls-key-file", "server.key"),
            ("--tls-client-cert-file", "client.crt"),
            ("--tls-client-key-file", "client.key"),
        ] {
            args.extend([option.to_owned(), self.file(name).display().to_string()]);
        }
        args
    }

    /// A plain client of one server.
    pub(crate) fn client(&self, port: u16) -> redis::Client {
        let read = |name: &str| std::fs::read(self.file(name)).unwrap();
        let client_tls =
            Some(ClientTlsConfig { client_cert: read("client.crt"), client_key: read("client.key") });
        let certificates = TlsCertificates { client_tls, root_cert: Some(read("ca.crt")) };
        redis::Client::build_with_tls(format!("rediss://127.0.0.1:{port}"), certificates).unwrap()
    }

    /// The files for a supervisor or an actor.
    pub(crate) fn access(&self) -> RedisAccess {
        RedisAccess {
            tls_ca: Some(self.file("ca.crt")),
            tls_cert: Some(self.file("client.crt")),
            tls_key: Some(self.file("client.key")),
            ..RedisAccess::default()
        }
    }

    /// The same as flags.
    pub(crate) fn flags(&self) -> Vec<String> {
        [("ca", "ca.crt"), ("cert", "client.crt"), ("key", "client.key")]
            .map(|(option, name)| format!("--redis-tls-{option}={}", self.file(name).display()))
            .to_vec()
    }
}
