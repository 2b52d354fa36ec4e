//! Settings, usage and completions: commands that need nobody else.

use crate::support::service::{command, run};

#[test]
fn each_value_is_shown_with_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("supervisor.toml");
    std::fs::write(&file, "lease = \"2s\"\nqueue_limit = 5\nlisten = [\"127.0.0.1:1\"]\n").unwrap();
    let shown = command(["config", "show", "--origin", "-o", "json", "--lease", "4s", "--config"])
        .arg(&file)
        .env("HERO_SUPERVISOR_LEASE", "3s")
        .env("HERO_SUPERVISOR_QUEUE_LIMIT", "6")
        .env("HERO_SUPERVISOR_REDIS_URL", "redis://:s3cret@h:1")
        .output()
        .unwrap();
    assert!(shown.status.success(), "{shown:?}");
    let json: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let of = |key: &str| (json[key]["value"].clone(), json[key]["origin"].as_str().unwrap().to_owned());
    assert_eq!(of("lease"), ("4s".into(), "--lease".to_owned()));
    assert_eq!(of("queue_limit"), ("6".into(), "HERO_SUPERVISOR_QUEUE_LIMIT".to_owned()));
    assert_eq!(of("listen"), (serde_json::json!(["127.0.0.1:1"]), file.display().to_string()));
    assert_eq!(of("drain_delay"), ("5s".into(), "default".to_owned()));
    assert_eq!(of("redis_url").0, "redis://:***@h:1");
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("s3cret"));
}

#[test]
fn unknown_settings_are_refused_wherever_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("supervisor.toml");
    std::fs::write(&file, "leese = \"2s\"\n").unwrap();
    let in_file = run(["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(in_file.code, 2, "{in_file:?}");
    assert!(in_file.stderr.contains("leese") && in_file.stderr.contains("supervisor.toml"), "{in_file:?}");

    let in_env = command(["serve"]).env("HERO_SUPERVISOR_LEESE", "1s").output().unwrap();
    let told = String::from_utf8(in_env.stderr).unwrap();
    assert_eq!(in_env.status.code(), Some(2), "{told}");
    assert!(told.contains("HERO_SUPERVISOR_LEESE"), "{told}");

    let as_flag = run(["serve", "--leese", "1s"]);
    assert_eq!(as_flag.code, 2, "{as_flag:?}");
    assert!(as_flag.stderr.contains("--leese"), "{as_flag:?}");
}

#[test]
fn a_good_configuration_is_called_fine() {
    let checked = run(["config", "check", "--lease", "20s"]);
    assert_eq!((checked.code, checked.stdout.as_str()), (0, ""), "{checked:?}");
    assert!(checked.stderr.contains("fine"), "{checked:?}");
}

#[test]
fn programs_of_actors_that_cannot_be_run_here_are_all_told() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let (file, plain) = (dir.path().join("supervisor.toml"), plain.display());
    let text = format!(
        "[[actor]]\nname = \"b\"\nscript_type = \"osis\"\nbinary_path = \"/nowhere\"\ndependencies = [\"a\"]\n\
         [[actor]]\nname = \"a\"\nscript_type = \"osis\"\nbinary_path = \"{plain}\"\n\
         [[actor]]\nname = \"c\"\nscript_type = \"osis\"\nbinary_path = \"/bin/sh\"\nbinary_sha256 = \"{}\"\n\
         [script_type.sal.actor_template]\nbinary_path = \"/\"\n",
        "0".repeat(64)
    );
    std::fs::write(&file, text).unwrap();
    let checked = run(["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(checked.code, 2, "{checked:?}");
    for part in [
        "actor[0].binary_path (",
        "/nowhere: no such file",
        "actor[1].binary_path (",
        "plain: not executable",
        "actor[2].binary_sha256 (",
        "script_type.sal.actor_template.binary_path (",
        "not a regular file",
        "supervisor.toml",
    ] {
        assert!(checked.stderr.contains(part), "{part} in {checked:?}");
    }
}

#[test]
fn an_address_that_others_can_reach_is_refused_with_the_reason() {
    let refused = run(["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    for part in ["0.0.0.0:0", "there is no TLS", "--insecure", "--listen"] {
        assert!(refused.stderr.contains(part), "{part} in {refused:?}");
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let made = run(["completions", shell]);
        assert_eq!(made.code, 0, "{shell}: {}", made.stderr);
        // The script asks the program, whose answers are those of `cli::context`.
        assert!(made.stdout.contains("hero-supervisor") && made.stdout.contains("COMPLETE"), "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man1");
    let made = run(["man", pages.to_str().unwrap()]);
    assert_eq!((made.code, made.stdout.as_str()), (0, ""), "{made:?}");
    let read = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap_or_default();
    assert!(read("hero-supervisor.1").contains("Keeps script actors alive"));
    assert!(
        read("hero-supervisor-job-run.1").contains("\\-\\-follow"),
        "{}",
        read("hero-supervisor-job-run.1")
    );
    assert!(!pages.join("hero-supervisor-exec-shim.1").exists(), "the shim is nobody's business");

    let refused = run(["man", "/proc/no-such"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.stderr.contains("/proc/no-such: "), "{refused:?}");

    let page =
        std::process::Command::new(env!("CARGO_BIN_EXE_osis_actor")).arg("--man-page").output().unwrap();
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains("osis_actor") && page.contains("\\-\\-redis\\-url"), "{page}");
    assert!(!page.contains("man\\-page"), "{page}");
}

#[test]
fn a_wrong_command_line_is_usage() {
    for args in [vec!["job", "rum"], vec!["actor", "get"], vec!["job", "run"], vec!["--flag"], vec![]] {
        let ran = run(&args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
    }
    for args in [vec!["job", "run", "1", "--server", "ftp://h"], vec!["job", "run", "-f", "/no/such/file"]] {
        let ran = run(&args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {ran:?}");
    }
}
