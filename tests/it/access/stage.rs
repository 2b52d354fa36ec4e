//! A service with TLS, and its callers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hero_supervisor::proto as pb;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::pki::{Ca, Pair, write};
use crate::support::redis::PrivateRedis;
use crate::support::service::{Service, run};

/// The name of the server in its certificate.
pub(super) const NAME: &str = "hero.test";

/// A service on TLS, with a Redis and the files that it reads.
pub(super) struct TlsStage {
    pub(super) service: Service,
    pub(super) ca: Ca,
    pub(super) dir: TempDir,
    _redis: PrivateRedis,
}

impl TlsStage {
    /// With further flags; `{dir}` in them is the folder of the files.
    pub(super) async fn start(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = Ca::new("server CA");
        ca.pair(&[NAME]).write(dir.path());
        Self::start_on(dir, ca, flags).await
    }

    /// On files that are there.
    pub(super) async fn start_on(dir: TempDir, ca: Ca, flags: &[&str]) -> Self {
        let redis = PrivateRedis::start().await;
        let args = tls_flags(dir.path());
        let mut args = [args, vec!["--redis-url".to_owned(), redis.url()]].concat();
        args.extend(["--process-manager".to_owned(), "local".to_owned()]);
        let here = dir.path().display().to_string();
        args.extend(flags.iter().map(|flag| flag.replace("{dir}", &here)));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let service = Service::serve(&args).await;
        Self { service, ca, dir, _redis: redis }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The TCP address of the service.
    pub(super) fn address(&self) -> SocketAddr {
        address(&self.service)
    }

    /// A caller that trusts the CA.
    pub(super) fn client(&self) -> SupervisorClient<Channel> {
        self.client_with(&self.ca.pem, None)
    }

    /// A caller that trusts these CAs, and shows this certificate.
    pub(super) fn client_with(&self, ca: &str, own: Option<&Pair>) -> SupervisorClient<Channel> {
        let tls = ClientTlsConfig::new().domain_name(NAME).ca_certificate(Certificate::from_pem(ca));
        let tls = own
            .map_or_else(|| tls.clone(), |own| tls.clone().identity(Identity::from_pem(&own.cert, &own.key)));
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address())).unwrap();
        SupervisorClient::new(endpoint.tls_config(tls).unwrap().connect_lazy())
    }

    /// One TLS connection by hand.
    pub(super) async fn handshake(
        &self,
        name: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        handshake(self.address(), &self.ca.pem, name, versions).await
    }
}

/// The flags that name the files of a folder.
pub(super) fn tls_flags(dir: &Path) -> Vec<String> {
    let at = |name: &str| dir.join(name).display().to_string();
    vec!["--tls-cert".to_owned(), at("server.crt"), "--tls-key".to_owned(), at("server.key")]
}

/// The TCP address of a service.
pub(super) fn address(service: &Service) -> SocketAddr {
    let ready = std::fs::read_to_string(service.ready_file()).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let addresses = ready["addresses"].as_array().unwrap();
    addresses.iter().find_map(|address| address.as_str()?.parse().ok()).unwrap()
}

/// One TLS connection by hand.
pub(super) async fn handshake(
    address: SocketAddr,
    ca: &str,
    name: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The identity of the server; an error as one line with all causes.
pub(super) async fn info(mut client: SupervisorClient<Channel>) -> Result<pb::GetServerInfoResponse, String> {
    match client.get_server_info(pb::GetServerInfoRequest {}).await {
        Ok(info) => Ok(info.into_inner()),
        Err(status) => Err(format!("{status:?}")),
    }
}

/// What `serve` says of files that it does not start with.
pub(super) fn refusal(dir: &Path, flags: &[&str]) -> String {
    let mut args = vec!["serve".to_owned(), "--listen".to_owned(), "127.0.0.1:0".to_owned()];
    args.extend(tls_flags(dir));
    args.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let ran = run(&args);
    assert_eq!(ran.code, 2, "{ran:?}");
    ran.stderr
}

/// Writes the CAs of clients.
pub(super) fn write_client_ca(dir: &Path, ca: &Ca) {
    write(&dir.join("clients.crt"), &ca.pem);
}
