//! Each script of `examples/scripts` does what it says, run from the command line by the actors of a plain `dev`.

use std::path::Path;
use std::process::Command;

use crate::support::service::{LIMIT, Ran, Service};
use crate::support::wait::eventually;

fn run(service: &Service, kind: &str, file: &str) -> Ran {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scripts").join(file);
    let path = path.display().to_string();
    service.run(["job", "run", "--type", kind, "--timeout", "120s", "--file", &path])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_script_runs_on_the_actors_of_dev() {
    let service = Service::dev(&[]).await;
    let has_v = Command::new("v").arg("version").output().is_ok();
    for (kind, file, result) in [
        (
            "sal",
            "files_and_processes.rhai",
            r#"{"bytes":15,"code":3,"files":1,"shell_found":true,"sorted":"Ada,Alan,Grace"}"#,
        ),
        ("osis", "objects.rhai", r#"{"left":0,"titles":["Buy milk","Call Ada"]}"#),
        ("osis", "playbook.hero", r#"["dune","emma",["emma"],true,["emma"]]"#),
    ] {
        let ran = run(&service, kind, file);
        assert_eq!((ran.code, ran.stdout.trim()), (0, result), "{file}: {ran:?}");
    }
    let python = run(&service, "python", "statistics_over_csv.py");
    assert_eq!(python.code, 0, "{python:?}");
    assert_eq!(python.json()["Ghent"]["mean"], 12.2, "{python:?}");

    let banner = eventually("the banner is shown", LIMIT, async || {
        let banner = service.stdout();
        banner.contains("Ctrl-C").then_some(banner)
    })
    .await;
    for actor in ["osis_actor_0", "osis_actor_1", "sal_actor_0", "python_actor_0"] {
        assert!(banner.contains(&format!("{actor} (running")), "{actor} in {banner}");
    }
    // Both are as they should be: with a V compiler the script runs, without one no actor for V is started.
    if has_v {
        let squares = run(&service, "v", "squares.v");
        assert_eq!((squares.code, squares.stdout.trim()), (0, "385"), "{squares:?}");
    } else {
        assert!(banner.contains("there is no V compiler") && !banner.contains("v_actor_0"), "{banner}");
    }
}
