//! Authentication of callers: values, rules and settings that contradict each other.

use std::path::Path;

use super::*;
use crate::config::{Config, Env, Flags, Loaded, render_toml};
use crate::domain::access::{Quotas, Role};
use crate::domain::model::job::JobQuota;

fn load(text: &str) -> Result<Loaded, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("supervisor.toml");
    std::fs::write(&path, text).unwrap();
    let layers = Config::layers(Some(path), Env::default(), Flags::default());
    Config::load(layers).map_err(|error| error.to_string())
}

#[test]
fn without_a_word_about_it_nobody_has_to_show_who_it_is_on_this_machine() {
    let config = load("").unwrap().config;
    assert!(!config.requires_auth());
    assert_eq!(config.auth.anonymous_calls(), ["GetServerInfo"]);
    let open = load("listen = [\"0.0.0.0:0\"]\ninsecure = true\n").unwrap().config;
    assert!(open.requires_auth(), "others can reach it");
    let off = load("listen = [\"0.0.0.0:0\"]\ninsecure = true\n[auth]\nmode = \"off\"\n").unwrap().config;
    assert!(!off.requires_auth());
    assert!(load("[auth]\ntokens_file = \"/t.toml\"\n").unwrap().config.requires_auth());
}

#[test]
fn each_layer_can_say_it() {
    let vars = [
        ("HERO_SUPERVISOR_AUTH__MODE", "off"),
        ("HERO_SUPERVISOR_AUTH__TOKENS_FILE", "/env.toml"),
        ("HERO_SUPERVISOR_AUTH__ANONYMOUS", "GetServerInfo, ServerReflection"),
    ];
    let env = Env::of(vars.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let auth = AuthFlags { mode: Some("required".to_owned()), ..AuthFlags::default() };
    let flags = Flags { auth, ..Flags::default() };
    let loaded = Config::load(Config::layers(None, env, flags)).unwrap();
    let auth = &loaded.config.auth;
    assert_eq!(
        (auth.mode, auth.tokens_file.as_deref()),
        (Some(AuthMode::Required), Some(Path::new("/env.toml")))
    );
    assert_eq!(auth.anonymous_calls().len(), 3, "{:?}", auth.anonymous_calls());
    let origin =
        |key: &str| loaded.settings.iter().find(|setting| setting.key == key).unwrap().origin.to_string();
    assert_eq!(origin("auth.mode"), "--auth-mode");
    assert_eq!(origin("auth.tokens_file"), "HERO_SUPERVISOR_AUTH__TOKENS_FILE");
    assert_eq!(origin("auth.permissions_claim"), "default");
}

const RULES_OF_A_FILE: &str = r#"
[tls]
cert = "/server.crt"
key = "/server.key"
client_ca = "/clients.crt"

[auth]
mode = "required"

[[auth.certificate]]
san = "spiffe://hero/backend"
role = "submitter"
callers = ["backend", "backend-*"]
script_types = ["*"]
rps = 200
max_queued = 100
max_running = 5

[[auth.unix]]
user = "root"
roles = ["viewer", "operator"]
see_payloads = true
"#;

#[test]
fn certificates_and_users_are_identities() {
    let told = load(&RULES_OF_A_FILE.replace("client_ca", "#")).unwrap_err();
    assert!(
        told.contains("auth.certificate (") && told.contains("no effect without tls.client_ca"),
        "{told}"
    );
    let loaded = load(RULES_OF_A_FILE).unwrap();
    let auth = &loaded.config.auth;
    let [certificate] = auth.certificates.as_slice() else { panic!("{auth:?}") };
    assert_eq!(certificate.san.to_string(), "spiffe://hero/backend");
    assert_eq!(certificate.identity.roles, Role::Submitter.into());
    assert_eq!(certificate.identity.scopes.default_caller(), Some("backend"));
    assert_eq!(
        certificate.identity.quotas,
        Quotas { rps: Some(200), jobs: JobQuota { max_queued: Some(100), max_running: Some(5) } }
    );
    let [unix] = auth.unix.as_slice() else { panic!("{auth:?}") };
    assert_eq!((unix.uids.as_slice(), unix.gid), ([0].as_slice(), None));
    assert_eq!(unix.identity.roles.to_string(), "viewer, operator");
}

#[test]
fn what_is_shown_can_be_used_as_a_file() {
    let loaded = load(RULES_OF_A_FILE).unwrap();
    let text = format!("{}{}", render_toml(&loaded.settings, true, false), loaded.tables_toml(false));
    let again = load(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(again.config.auth, loaded.config.auth);
}

#[test]
fn every_mistake_is_named_with_what_to_do() {
    let told = load(
        r#"
[auth]
mode = "off"
tokens_file = "/t.toml"
anonymous = ["StopActor"]
jwks_file = "/k.json"
issuer = ""

[[auth.certificate]]
role = "worker"

[[auth.certificate]]
san = "a*b"
roles = []
colour = "red"

[[auth.unix]]
role = "submitter"
callers = ["x"]
rps = 0
max_queued = 0
max_running = "some"

[[auth.unix]]
user = "no-such-user-here"
role = "admin"
callers = ["x"]
"#,
    )
    .unwrap_err();
    for part in [
        "auth.mode (",
        "says who may call",
        "\"StopActor\" cannot be open to everybody",
        "auth.issuer",
        "auth.audience",
        "auth.certificate[0].san",
        "kept for later",
        "auth.certificate[1].san",
        "auth.certificate[1].roles",
        "auth.certificate[1].colour",
        "auth.unix[0].user",
        "auth.unix[0].script_types",
        "auth.unix[0].rps",
        "auth.unix[0].max_queued",
        "auth.unix[0].max_running",
        "no user of this machine",
        "auth.unix[1].callers",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    let told = load("[auth]\nmode = \"sometimes\"\nmodus = 1\n").unwrap_err();
    assert!(told.contains("auth.modus") && told.contains("did you mean auth.mode?"), "{told}");
    let told = load("[auth]\nmode = \"sometimes\"\n").unwrap_err();
    assert!(told.contains("auth.mode (") && told.contains("sometimes"), "{told}");
    assert!(load("auth = \"on\"\n").unwrap_err().contains("auth.mode"));
}
