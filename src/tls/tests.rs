//! Files that are fine, and each way in which they are not.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;
use crate::config::{ClientAuth, MinVersion};

/// Writes a certificate that signs itself, and its key.
fn write_pair(dir: &Path, years: (i32, i32)) -> TlsFiles {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["example.org".to_owned(), "10.0.0.7".to_owned()]).unwrap();
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    let files = TlsFiles {
        cert: dir.join("server.crt"),
        key: dir.join("server.key"),
        client_ca: None,
        client_auth: ClientAuth::None,
        min_version: MinVersion::Tls13,
    };
    std::fs::write(&files.cert, params.self_signed(&key).unwrap().pem()).unwrap();
    write_key(&files.key, &key.serialize_pem());
    files
}

fn write_key(path: &Path, pem: &str) {
    std::fs::write(path, pem).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn refusal(files: &TlsFiles) -> String {
    ServerTls::load(files.clone()).unwrap_err().to_string()
}

#[test]
fn a_pair_is_loaded_with_its_names_and_its_end() {
    let dir = TempDir::new().unwrap();
    let tls = ServerTls::load(write_pair(dir.path(), (2020, 4000))).unwrap();
    let active = tls.active();
    assert_eq!(active.to_string(), "example.org, 10.0.0.7, valid until 4000-01-01T00:00:00Z");
    for (protocols, names) in [
        (Protocols::Http2, &[&b"h2"[..]][..]),
        (Protocols::Both, &[b"h2", b"http/1.1"]),
        (Protocols::Http1, &[b"http/1.1"]),
    ] {
        let config = active.config(protocols);
        assert_eq!(config.alpn_protocols, names);
        assert!(!config.session_storage.can_cache(), "no session is resumed without a new look");
    }
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
    assert!(active.validity.left(now) > EXPIRY_WARNING);
}

#[test]
fn each_fault_is_told_with_its_setting_and_its_remedy() {
    let dir = TempDir::new().unwrap();
    let files = write_pair(dir.path(), (2020, 4000));
    let other_dir = TempDir::new().unwrap();
    let other = write_pair(other_dir.path(), (2020, 4000));
    let odd = dir.path().join("odd");
    std::fs::write(&odd, "nothing in here").unwrap();
    let locked = dir.path().join("locked");
    write_key(&locked, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let broken = dir.path().join("broken");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let table = [
        (TlsFiles { cert: dir.path().join("no"), ..files.clone() }, "tls.cert", "cannot be read"),
        (TlsFiles { cert: odd.clone(), ..files.clone() }, "tls.cert", "BEGIN CERTIFICATE"),
        (TlsFiles { cert: broken.clone(), ..files.clone() }, "tls.cert", "cannot be read"),
        (TlsFiles { cert: other.cert, ..files.clone() }, "tls.key", "not the key of"),
        (TlsFiles { key: odd.clone(), ..files.clone() }, "tls.key", "chmod 600"),
        (TlsFiles { key: locked, ..files.clone() }, "tls.key", "passphrase"),
        (with_ca(&files, &odd), "tls.client_ca", "BEGIN CERTIFICATE"),
        (with_ca(&files, &broken), "tls.client_ca", "cannot be used"),
    ];
    for (files, setting, part) in table {
        let told = refusal(&files);
        assert!(told.starts_with(setting) && told.contains(part), "{setting}, {part}: {told}");
    }
    let empty = dir.path().join("empty");
    write_key(&empty, "");
    assert!(refusal(&TlsFiles { key: empty, ..files }).contains("BEGIN PRIVATE KEY"));
}

fn with_ca(files: &TlsFiles, ca: &Path) -> TlsFiles {
    TlsFiles { client_ca: Some(ca.to_owned()), client_auth: ClientAuth::Optional, ..files.clone() }
}

#[test]
fn a_certificate_counts_only_in_its_time() {
    let dir = TempDir::new().unwrap();
    let told = refusal(&write_pair(dir.path(), (2020, 2021)));
    assert!(told.contains("has expired on 2021-01-01T00:00:00Z: renew it"), "{told}");
    let told = refusal(&write_pair(dir.path(), (3999, 4000)));
    assert!(told.contains("is not valid before 3999-01-01T00:00:00Z"), "{told}");
}

#[test]
fn what_cannot_be_used_leaves_in_force_what_was_loaded_before() {
    let dir = TempDir::new().unwrap();
    let files = write_pair(dir.path(), (2020, 4000));
    let tls = ServerTls::load(files.clone()).unwrap();
    let before = tls.active();
    std::fs::write(&files.cert, "half a certif").unwrap();
    assert!(tls.reload().is_err());
    assert!(Arc::ptr_eq(&before, &tls.active()));
    write_pair(dir.path(), (2020, 3000));
    assert_eq!(tls.reload().unwrap().to_string(), "example.org, 10.0.0.7, valid until 3000-01-01T00:00:00Z");
    assert!(!Arc::ptr_eq(&before, &tls.active()));
}
