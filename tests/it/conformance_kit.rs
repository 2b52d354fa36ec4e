//! Every actor that can run here passes the kit that an actor in any language is to pass.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::service::run;
use crate::v_actor::stand_in::install;

/// What the kit says of a command that starts an actor.
fn passes(command: &str, script_type: &str) {
    passes_with(command, script_type, &[]);
}

fn passes_with(command: &str, script_type: &str, flags: &[&str]) {
    // Other tests and compilers share the machine.
    let fixed = ["actor", "conformance", "--exec", command, "--script-type", script_type, "--patience", "5"];
    let ran = run(fixed.into_iter().chain(flags.iter().copied()));
    assert_eq!(ran.code, 0, "{command}: {}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("lease loss"), "{}", ran.stdout);
}

#[test]
fn osis_actor_passes_the_kit() {
    passes(env!("CARGO_BIN_EXE_osis_actor"), "osis");
}

#[test]
fn sal_actor_passes_the_kit() {
    passes(env!("CARGO_BIN_EXE_sal_actor"), "sal");
}

#[test]
fn python_actor_passes_the_kit() {
    passes(env!("CARGO_BIN_EXE_python_actor"), "python");
}

/// There is no V compiler to be had; the stand-in makes programs that run shell scripts, and all else is real.
#[test]
fn v_actor_with_a_stand_in_for_its_compiler_passes_the_kit() {
    let folder = tempfile::Builder::new().prefix("stand-in").tempdir().unwrap();
    let compiler = install(folder.path());
    let command = format!(
        "{} --v-bin={} --cache-dir={}",
        env!("CARGO_BIN_EXE_v_actor"),
        compiler.display(),
        folder.path().join("cache").display()
    );
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/actors/shell_scripts.toml");
    passes_with(&command, "v", &["--scripts", scripts]);
}

#[test]
fn a_language_without_scripts_and_a_file_that_lacks_one_are_told() {
    let ran = run(["actor", "conformance", "--exec", "true", "--script-type", "v"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("--scripts"), "{}", ran.stderr);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scripts.toml");
    std::fs::write(&file, "value = \"42\"\n").unwrap();
    let file = file.display().to_string();
    let ran = run(["actor", "conformance", "--exec", "true", "--script-type", "v", "--scripts", &file]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("missing field `fails`"), "{}", ran.stderr);
}

#[test]
fn an_actor_in_plain_python_passes_the_kit() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/actors/plain_actor.py");
    passes(&format!("python3 {script}"), "python");
}

#[test]
fn an_actor_of_shell_scripts_passes_the_kit() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/actors/shell_actor.py");
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/actors/shell_scripts.toml");
    passes_with(&format!("python3 {script}"), "sal", &["--scripts", scripts]);
}

#[test]
fn a_program_that_is_no_actor_is_told_so_without_waiting_for_it() {
    let begun = Instant::now();
    let ran = run(["actor", "conformance", "--exec", "false", "--script-type", "osis"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for part in ["it ended before it had announced itself: exit status: 1", "not tried", "0 of 21 cases pass"]
    {
        assert!(ran.stdout.contains(part), "{part} in {}", ran.stdout);
    }
    // Each case alone would wait for 10 s.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}
