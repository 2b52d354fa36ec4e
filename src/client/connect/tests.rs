//! Encryption of connections by address, and what is refused before anybody is called.

use std::ffi::OsString;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::*;

fn refusal(address: &str, options: &ConnectOptions) -> Refusal {
    prepare(address, options, |_| None).map(drop).unwrap_err()
}

#[test]
fn the_address_and_the_options_say_whether_it_is_encrypted() {
    let options = ConnectOptions::new;
    for (address, options, encrypted) in [
        ("127.0.0.1:1", options(), false),
        ("127.0.0.1:1", options().token("t"), false),
        ("localhost:1", options().token("t"), false),
        ("[::1]:1", options().token("t"), false),
        ("unix:/s", options().token("t").cacert("c"), false),
        ("http://127.0.0.1:1", options().token("t").cacert("c"), false),
        ("127.0.0.1:1", options().cacert("c"), true),
        ("127.0.0.1:1", options().client_cert("c", "k"), true),
        ("10.0.0.1:1", options(), false),
        ("10.0.0.1:1", options().token("t"), true),
        ("supervisor:1", options().token_file("t"), true),
        ("https://127.0.0.1:1", options(), true),
    ] {
        let way = Address::parse(address, |_| None).unwrap();
        assert_eq!(Access::of(&options, |_| None).encrypts(&way), encrypted, "{address} {options:?}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_option_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (cert, key) = pair();
    let (cert, key) = (write("cert", &cert), write("key", &key));
    let (odd, none, other) = (write("odd", "no PEM"), Path::new("/nowhere"), write("other", &pair().1));
    let options = ConnectOptions::new;
    let half = ConnectOptions { client_cert: Some("c".into()), ..options() };
    let clear =
        "\"http://10.0.0.1:1\" would send the token in the clear to another machine: use https://10.0.0.1:1";
    for (address, options, name, told) in [
        ("http://10.0.0.1:1", options().token("t"), "", clear),
        ("ftp://h", options(), "", "is not an address"),
        ("h:1", half, "client_cert", "a client certificate and its key go together: give both"),
        ("127.0.0.1:1", options().token("t").token_file("f"), "token", "were given: give one of them"),
        ("127.0.0.1:1", options().token("a\nb"), "token", "not one word of visible ASCII characters"),
        ("127.0.0.1:1", options().token_file(&odd), "token_file", "not one word of visible ASCII characters"),
        ("127.0.0.1:1", options().token_file(none), "token_file", "cannot be read: /nowhere: No such file"),
        (
            "h:1",
            options().cacert(none),
            "cacert",
            "/nowhere: No such file or directory (os error 2): name a PEM file",
        ),
        (
            "h:1",
            options().cacert(&odd),
            "cacert",
            "has no certificate: it must have blocks of BEGIN CERTIFICATE",
        ),
        ("h:1", options().cacert(dir.path()), "cacert", "Is a directory"),
        ("h:1", options().client_cert(&odd, &key), "client_cert", "has no certificate"),
        (
            "h:1",
            options().client_cert(&cert, none),
            "client_key",
            "the key of the client certificate cannot be read",
        ),
        ("h:1", options().client_cert(&cert, &odd), "client_key", "has no private key"),
        ("h:1", options().client_cert(&cert, &other), "client_key", "name the pair that belongs together"),
        ("h:1", options().header("a b", "c"), "header", "is not the name of a header"),
        ("h:1", options().header("a", "b\nc"), "header", "not one line of ASCII"),
        ("h:1", options().header("Authorization", "Bearer t"), "header", "use token or token_file"),
        ("h:1", options().header("grpc-timeout", "1S"), "header", "leave it out"),
    ] {
        let refused = refusal(address, &options);
        assert!(refused.name == name && refused.message.contains(told), "{told}: {refused}");
    }
    assert!(prepare("h:1", &options().cacert(&cert).client_cert(&cert, &key), |_| None).is_ok());
}

#[test]
fn the_environment_says_what_no_option_says() {
    let variable = |name: &str| -> Option<OsString> {
        match name {
            "HERO_SUPERVISOR_TOKEN" => Some("a b".into()),
            "HERO_SUPERVISOR_CACERT" | "HERO_SUPERVISOR_CLIENT_CERT" => Some("".into()),
            _other => None,
        }
    };
    let told = |options: &ConnectOptions| prepare("", options, variable).map(drop).unwrap_err().to_string();
    let odd = "HERO_SUPERVISOR_TOKEN: the token is not one word of visible ASCII characters";
    assert_eq!(told(&ConnectOptions::new()), odd);
    assert!(told(&ConnectOptions::new().token_file("/no")).starts_with("token_file: "), "an option wins");
    assert!(prepare("", &ConnectOptions::new().token("t"), variable).is_ok());
}

#[tokio::test]
async fn a_client_tells_a_wrong_address_and_shows_no_token() {
    let refused = Client::connect("ftp://x").unwrap_err();
    assert_eq!(refused.code, Code::InvalidArgument);
    let options = ConnectOptions::new().token("hst_secret").header("x-secret", "secret");
    let client = Client::connect_with("127.0.0.1:1", &options).unwrap();
    assert!(!format!("{options:?} {client:?}").contains("hst_"), "{options:?} {client:?}");
}

fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}
