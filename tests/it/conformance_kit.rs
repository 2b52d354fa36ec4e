//! Every actor that can run here passes the kit that an actor in any language is to pass.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::service::run;

/// What the kit says of a command that starts an actor.
fn passes(command: &str, script_type: &str) {
    let ran = run(["actor", "conformance", "--exec", command, "--script-type", script_type]);
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

#[test]
fn an_actor_in_plain_python_passes_the_kit() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/actors/plain_actor.py");
    passes(&format!("python3 {script}"), "python");
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
