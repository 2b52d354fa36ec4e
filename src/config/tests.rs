//! Layers, origins, refusals and secrets.

use std::path::Path;

use super::*;

fn env(vars: &[(&str, &str)]) -> Env {
    Env::of(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn file(dir: &Path, text: &str) -> Option<PathBuf> {
    let path = dir.join("supervisor.toml");
    std::fs::write(&path, text).unwrap();
    Some(path)
}

fn origin(loaded: &Loaded, key: &str) -> String {
    loaded.settings.iter().find(|setting| setting.key == key).unwrap().origin.to_string()
}

fn refusal(layers: Layers) -> String {
    Config::load(layers).unwrap_err().to_string()
}

#[test]
fn without_any_layer_every_default_holds() {
    let loaded = Config::load(Config::layers(None, Env::default(), Flags::default())).unwrap();
    let config = loaded.config;
    assert_eq!(config.listen, [ListenAddr::parse(DEFAULT_LISTEN).unwrap()]);
    assert_eq!(config.redis_url.to_string(), DEFAULT_REDIS_URL);
    assert_eq!(config.lease, Duration::from_secs(15));
    assert_eq!(config.queue_limit, DEFAULT_QUEUE_LIMIT);
    assert_eq!(config.named_queue_limit, 10_000);
    assert_eq!((config.ready_file, config.worker_threads), (None, None));
    assert!(loaded.settings.iter().all(|setting| setting.origin == Origin::Default));
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let file = file(dir.path(), "lease = \"2s\"\ndrain_delay = \"2s\"\nshutdown_timeout = \"22s\"\n");
    let env = env(&[("HERO_SUPERVISOR_LEASE", "3s"), ("HERO_SUPERVISOR_DRAIN_DELAY", "3s"), ("HOME", "/x")]);
    let flags = Flags { lease: Some("4s".to_owned()), ..Flags::default() };
    let loaded = Config::load(Config::layers(file.clone(), env, flags)).unwrap();
    assert_eq!(loaded.config.lease, Duration::from_secs(4));
    assert_eq!(loaded.config.drain_delay, Duration::from_secs(3));
    assert_eq!(loaded.config.shutdown_timeout, Duration::from_secs(22));
    assert_eq!(origin(&loaded, "lease"), "--lease");
    assert_eq!(origin(&loaded, "drain_delay"), "HERO_SUPERVISOR_DRAIN_DELAY");
    assert_eq!(origin(&loaded, "shutdown_timeout"), file.unwrap().display().to_string());
    assert_eq!(origin(&loaded, "node"), "default");
}

#[test]
fn text_of_the_environment_becomes_lists_numbers_and_switches() {
    let env = env(&[
        ("HERO_SUPERVISOR_LISTEN", "127.0.0.1:0, unix:/tmp/h.sock"),
        ("HERO_SUPERVISOR_QUEUE_LIMIT", "7"),
        ("HERO_SUPERVISOR_WORKER_THREADS", "3"),
        ("HERO_SUPERVISOR_INSECURE", "true"),
        ("HERO_SUPERVISOR_NODE", "007"),
    ]);
    let config = Config::load(Config::layers(None, env, Flags::default())).unwrap().config;
    let listen: Vec<String> = config.listen.iter().map(ListenAddr::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:0", "unix:/tmp/h.sock"]);
    assert_eq!((config.queue_limit, config.insecure, config.node.as_str()), (7, true, "007"));
    assert_eq!(config.worker_threads, NonZeroUsize::new(3));
}

#[test]
fn one_text_is_a_list_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let text = "listen = \"127.0.0.1:7\"\ngrpc_web_origins = \"https://h\"\n[auth]\nanonymous = \"ServerReflection\"\n";
    let path = file(dir.path(), text);
    let loaded = Config::load(Config::layers(path.clone(), Env::default(), Flags::default())).unwrap();
    let config = &loaded.config;
    assert_eq!(config.listen, [ListenAddr::parse("127.0.0.1:7").unwrap()]);
    assert_eq!(
        (&config.grpc_web_origins[..], &config.auth.anonymous[..]),
        (&["https://h".to_owned()][..], &["ServerReflection".to_owned()][..])
    );
    assert_eq!(origin(&loaded, "listen"), path.unwrap().display().to_string());
}

#[test]
fn unknown_keys_are_refused_with_their_place_and_a_guess() {
    let dir = tempfile::tempdir().unwrap();
    let in_file =
        refusal(Config::layers(file(dir.path(), "leese = \"2s\"\n"), Env::default(), Flags::default()));
    assert!(in_file.contains("leese") && in_file.contains("supervisor.toml"), "{in_file}");
    assert!(in_file.contains("did you mean lease?"), "{in_file}");
    let env = env(&[("HERO_SUPERVISOR_REDIS", "x"), ("HERO_SUPERVISOR_QQQ", "x")]);
    let in_env = refusal(Config::layers(None, env, Flags::default()));
    assert!(
        in_env.contains("HERO_SUPERVISOR_REDIS") && in_env.contains("did you mean redis_url or "),
        "{in_env}"
    );
    assert!(in_env.contains("HERO_SUPERVISOR_QQQ"), "all at once: {in_env}");
}

#[test]
fn variables_of_the_client_and_of_kubernetes_are_not_settings() {
    let env = env(&[
        ("HERO_SUPERVISOR_SERVER", "http://127.0.0.1:1"),
        ("HERO_SUPERVISOR_CACERT", "ca.crt"),
        ("HERO_SUPERVISOR_TOKEN", "hst_1"),
        ("HERO_SUPERVISOR_PORT", "tcp://10.0.0.1:50051"),
        ("HERO_SUPERVISOR_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ("HERO_SUPERVISOR_SERVICE_HOST", "10.0.0.1"),
        ("HERO_SUPERVISOR_SERVICE_PORT_GRPC", "50051"),
    ]);
    assert!(Config::load(Config::layers(None, env, Flags::default())).is_ok());
}

#[test]
fn all_bad_values_are_told_at_once_each_with_its_place() {
    let env = env(&[("HERO_SUPERVISOR_LEASE", "soon"), ("HERO_SUPERVISOR_NODE", "a b")]);
    let flags = Flags {
        listen: vec!["nowhere".to_owned()],
        worker_threads: Some("0".to_owned()),
        redis_url: Some("http://u:secret@h".to_owned()),
        ..Flags::default()
    };
    let told = refusal(Config::layers(None, env, flags));
    for place in
        ["HERO_SUPERVISOR_LEASE", "HERO_SUPERVISOR_NODE", "--listen", "--worker-threads", "--redis-url"]
    {
        assert!(told.contains(place), "{place} in {told}");
    }
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn addresses_that_others_can_reach_need_insecure() {
    for (addr, private) in [
        ("127.0.0.1:1", true),
        ("[::1]:1", true),
        ("[::ffff:127.0.0.1]:1", true),
        ("localhost:1", true),
        ("unix:/tmp/a", true),
        ("0.0.0.0:1", false),
        ("[::]:1", false),
        ("192.168.1.1:1", false),
    ] {
        let flags = Flags { listen: vec![addr.to_owned()], ..Flags::default() };
        let loaded = Config::load(Config::layers(None, Env::default(), flags.clone()));
        assert_eq!(loaded.is_ok(), private, "{addr}");
        let open = Flags { insecure: true, ..flags };
        assert!(Config::load(Config::layers(None, Env::default(), open)).is_ok(), "{addr}");
    }
    let flags = Flags { listen: vec!["0.0.0.0:1".to_owned()], ..Flags::default() };
    let told = refusal(Config::layers(None, Env::default(), flags));
    assert!(told.contains("there is no TLS") && told.contains("--insecure"), "{told}");
}

#[test]
fn a_table_of_the_file_is_a_group_in_every_layer() {
    let dir = tempfile::tempdir().unwrap();
    let file = file(
        dir.path(),
        "listen = [\"unix:/tmp/s\"]\n[tls]\ncert = \"file.crt\"\nkey = \"file.key\"\nclient_ca = \"file.pem\"\n",
    );
    let env = env(&[("HERO_SUPERVISOR_TLS__KEY", "env.key"), ("HERO_SUPERVISOR_TLS__CLIENT_CA", "env.pem")]);
    let tls = TlsFlags { client_ca: Some("flag.pem".to_owned()), metrics: true, ..TlsFlags::default() };
    let flags = Flags { tls, ..Flags::default() };
    let loaded = Config::load(Config::layers(file.clone(), env, flags)).unwrap();
    let path = |text: &str| Some(PathBuf::from(text));
    let tls = &loaded.config.tls;
    assert_eq!((&tls.cert, &tls.key), (&path("file.crt"), &path("env.key")));
    assert_eq!((&tls.client_ca, tls.metrics), (&path("flag.pem"), true));
    let files = tls.files().unwrap();
    assert_eq!((files.client_auth, files.min_version), (ClientAuth::Required, MinVersion::Tls13));
    assert_eq!(origin(&loaded, "tls.cert"), file.unwrap().display().to_string());
    assert_eq!(origin(&loaded, "tls.key"), "HERO_SUPERVISOR_TLS__KEY");
    assert_eq!(origin(&loaded, "tls.client_ca"), "--tls-client-ca");
    let text = render_toml(&loaded.settings, false, false);
    assert!(text.contains("tls.key = \"env.key\""), "{text}");
    std::fs::write(dir.path().join("again.toml"), text).unwrap();
    let again = Config::layers(Some(dir.path().join("again.toml")), Env::default(), Flags::default());
    assert_eq!(Config::load(again).unwrap().config.tls.files(), Some(files));
}

#[test]
fn faults_of_a_group_are_told_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = file(dir.path(), "[tls]\ncert = \"a\"\ncart = \"b\"\n");
    let told = refusal(Config::layers(wrong, Env::default(), Flags::default()));
    assert!(told.contains("tls.cart") && told.contains("did you mean tls.cert?"), "{told}");
    let no_table = file(dir.path(), "tls = true\n");
    assert!(refusal(Config::layers(no_table, Env::default(), Flags::default())).contains("tls"), "a word");

    let env = env(&[("HERO_SUPERVISOR_TLS__MIN_VERSION", "1.1"), ("HERO_SUPERVISOR_LEASE", "soon")]);
    let tls = TlsFlags { client_auth: Some("maybe".to_owned()), ..TlsFlags::default() };
    let flags = Flags { tls, ..Flags::default() };
    let told = refusal(Config::layers(None, env, flags));
    for part in
        ["tls.min_version (HERO_SUPERVISOR_TLS__MIN_VERSION)", "tls.client_auth (--tls-client-auth)", "lease"]
    {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn halves_of_tls_are_refused() {
    let some = |text: &str| Some(text.to_owned());
    let none = TlsFlags::default();
    let both = TlsFlags { cert: some("a"), key: some("a"), ..none.clone() };
    for (tls, key) in [
        (TlsFlags { cert: some("a"), ..none.clone() }, "tls.key"),
        (TlsFlags { key: some("a"), ..none.clone() }, "tls.cert"),
        (TlsFlags { client_ca: some("a"), ..none.clone() }, "tls.client_ca"),
        (TlsFlags { metrics: true, ..none.clone() }, "tls.metrics"),
        (TlsFlags { client_auth: some("required"), ..both }, "tls.client_auth"),
        (TlsFlags { client_auth: some("none"), client_ca: some("a"), ..none }, "tls.client_auth"),
    ] {
        let told = refusal(Config::layers(None, Env::default(), Flags { tls, ..Flags::default() }));
        assert!(told.contains(&format!("\n  {key} ")), "{key} in {told}");
    }
}

#[test]
fn the_missing_half_of_a_public_address_is_named() {
    let some = |text: &str| Some(text.to_owned());
    let pair = TlsFlags { cert: some("a"), key: some("b"), ..TlsFlags::default() };
    let off = AuthFlags { mode: some("off"), ..AuthFlags::default() };
    let required = AuthFlags { mode: some("required"), ..AuthFlags::default() };
    for (tls, auth, missing, remedy) in [
        (TlsFlags::default(), off.clone(), "there is no TLS and no authentication", "auth.mode"),
        (pair.clone(), off, "there is no authentication", "auth.mode"),
        (TlsFlags::default(), required.clone(), "there is no TLS", "tls.cert and tls.key"),
    ] {
        let flags = Flags { listen: vec!["0.0.0.0:1".to_owned()], tls, auth, ..Flags::default() };
        let told = refusal(Config::layers(None, Env::default(), flags.clone()));
        assert!(told.contains(&format!("{missing}: ")) && told.contains(remedy), "{told}");
        let insecure = Config::layers(None, Env::default(), Flags { insecure: true, ..flags });
        assert_eq!(Config::load(insecure).unwrap().config.exposed().len(), 1);
    }
    let flags = Flags { listen: vec!["0.0.0.0:1".to_owned()], tls: pair, auth: required, ..Flags::default() };
    let config = Config::load(Config::layers(None, Env::default(), flags)).unwrap().config;
    assert!(config.exposed().is_empty());
}

#[test]
fn spans_that_make_no_sense_are_refused() {
    let flags = Flags {
        lease: Some("10ms".to_owned()),
        drain_delay: Some("40s".to_owned()),
        queue_limit: Some("0".to_owned()),
        named_queue_limit: Some("100001".to_owned()),
        log_filter: Some("a=b=c".to_owned()),
        ..Flags::default()
    };
    let told = refusal(Config::layers(None, Env::default(), flags));
    for key in ["lease (--lease)", "shutdown_timeout", "queue_limit", "named_queue_limit", "log_filter"] {
        assert!(told.contains(key), "{key} in {told}");
    }
}

#[test]
fn passwords_are_masked_wherever_they_stand() {
    for (url, shown) in [
        ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
        ("redis://:s3cret@h:1/0", "redis://:***@h:1/0"),
        ("rediss://me:s3cret@h:1", "rediss://me:***@h:1"),
        ("redis://me:s3@cret@h:1", "redis://me:***@h:1"),
        ("redis://:s3?cr@et@h:1", "redis://:***@h:1"),
        ("redis+sentinel://me:s3cret@h:1,i:2/main/0", "redis+sentinel://me:***@h:1,i:2/main/0"),
        ("redis+cluster://me:s3cret@h:1,i:2", "redis+cluster://me:***@h:1,i:2"),
        ("unix:///r.sock?db=1&PASS=s3cret&user=me", "unix:///r.sock?db=1&PASS=***&user=me"),
        ("unix:///r.sock?db=1&pass=s3cret&user=me", "unix:///r.sock?db=1&pass=***&user=me"),
    ] {
        assert_eq!(RedisUrl::parse(url).unwrap().to_string(), shown);
        assert!(!format!("{:?}", RedisUrl::parse(url)).contains("s3cret"));
    }
}

#[test]
fn what_is_shown_can_be_read_again_and_has_no_password() {
    let flags = Flags { redis_url: Some("redis://:s3cret@h:1".to_owned()), ..Flags::default() };
    let loaded = Config::load(Config::layers(None, Env::default(), flags)).unwrap();
    let text = render_toml(&loaded.settings, true, false);
    assert!(text.contains("# --redis-url") && !text.contains("s3cret"), "{text}");
    assert_eq!(text.lines().count(), KEYS.len(), "every key is there: {text}");
    assert!(text.contains("# metrics_listen is not set "), "{text}");
    let dir = tempfile::tempdir().unwrap();
    let again =
        Config::load(Config::layers(file(dir.path(), &text), Env::default(), Flags::default())).unwrap();
    assert_eq!(again.settings.len(), loaded.settings.len());
    let json = render_json(&loaded.settings, true, false).to_string();
    assert!(json.contains("--redis-url") && !json.contains("s3cret"), "{json}");
}

#[test]
fn every_key_is_a_flag_of_the_same_name() {
    let command = <Flags as clap::Args>::augment_args(clap::Command::new("x"));
    let flags: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    assert_eq!(flags, KEYS);
}

#[test]
fn a_broken_file_is_told_without_its_secrets() {
    let dir = tempfile::tempdir().unwrap();
    for broken in [
        "redis_url = \"redis://:s3cret@h\nlisten=1\n",
        "[[actor]]\nenv.TOKEN = \"s3cret\n",
        "args = [\n  \"s3cret\n]\n",
    ] {
        let told = refusal(Config::layers(file(dir.path(), broken), Env::default(), Flags::default()));
        assert!(told.contains("is not TOML") && told.contains("line "), "{told}");
        assert!(!told.contains("s3cret"), "{told}");
    }
    let told = refusal(Config::layers(file(dir.path(), "lease = 5 s\n"), Env::default(), Flags::default()));
    assert!(told.contains("lease = 5 s"), "other lines are shown: {told}");
}
