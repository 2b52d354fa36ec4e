use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::*;
use crate::adapters::redis::records::{BASIC, decode_job_event};
use crate::domain::model::job::{JobErrorKind, JobState};
use crate::domain::model::script_type::ScriptType;

/// Digest of what is loaded with the current revision. A Redis that has functions of this revision keeps them.
const DIGEST: &str = "f97e698a53fc4aaeffa56ffb2101dc0975c6bc8cc72a14ed90227cae6b5eb98b";

/// Functions that only supervisors and actors of an older revision call.
const FOR_OLDER_REVISIONS: [&str; 4] = ["hero_depth", "hero_object_find", "hero_presences", "hero_queue"];

/// The words in single quotes of a text.
fn quoted(text: &str) -> Vec<&str> {
    text.split('\'').skip(1).step_by(2).collect()
}

/// Returns the text of the library between a line that begins so and the next line that ends so.
fn between<'a>(begin: &str, end: &str) -> &'a str {
    let (_before, rest) = LIBRARY.split_once(begin).unwrap_or_else(|| panic!("{begin:?} is in the library"));
    rest.split_once(end).unwrap_or_else(|| panic!("{end:?} follows {begin:?}")).0
}

#[test]
fn changed_functions_have_a_new_revision() {
    let digest = format!("{:x}", Sha256::digest(LIBRARY));
    assert_eq!(
        (revision(), digest.as_str()),
        (32, DIGEST),
        "the functions have changed: raise REVISION and put this digest here: {digest}"
    );
}

#[test]
fn the_revision_is_read_from_the_library() {
    assert!(revision() >= 1);
    assert!(LIBRARY.starts_with("#!lua name=hero_v1\n"));
}

#[test]
fn every_lua_file_is_in_the_library() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/adapters/redis/lua");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(LIBRARY.matches(&text).count(), 1, "{}", path.display());
    }
}

#[test]
fn rust_and_lua_name_the_same_functions() {
    let registered: Vec<&str> = LIBRARY
        .lines()
        .filter(|line| ["writing('", "freeing('", "reading('"].iter().any(|begin| line.starts_with(begin)))
        .map(|line| quoted(line)[0])
        .collect();
    let mut known: Vec<&str> = Function::ALL.iter().map(|function| function.name()).collect();
    known.extend(FOR_OLDER_REVISIONS);
    assert_eq!(registered.iter().collect::<BTreeSet<_>>(), known.iter().collect::<BTreeSet<_>>());
    assert_eq!(registered.len(), known.len(), "a name is there twice");
}

#[test]
fn every_function_of_the_first_revisions_still_has_its_name() {
    let names = [
        "hero_announce",
        "hero_attach",
        "hero_cancel",
        "hero_delete",
        "hero_depth",
        "hero_drain",
        "hero_epoch",
        "hero_finish",
        "hero_forget",
        "hero_forget_delayed",
        "hero_kept",
        "hero_lead",
        "hero_leave",
        "hero_log",
        "hero_object_delete",
        "hero_object_find",
        "hero_object_put",
        "hero_pause",
        "hero_presences",
        "hero_probe",
        "hero_purge",
        "hero_put",
        "hero_queue",
        "hero_reclaim",
        "hero_reject",
        "hero_release",
        "hero_reply",
        "hero_resume",
        "hero_retry",
        "hero_revision",
        "hero_set",
        "hero_start",
        "hero_step_down",
        "hero_submit",
        "hero_tell",
        "hero_tick",
        "hero_tidy",
        "hero_trim",
        "hero_wake",
    ];
    let words: BTreeSet<&str> =
        LIBRARY.lines().filter(|line| !line.starts_with("--")).flat_map(quoted).collect();
    for name in names {
        assert!(words.contains(name), "{name} is called by supervisors of an older revision");
    }
}

#[test]
fn readers_of_a_job_get_the_same_fields_from_lua_and_rust() {
    assert_eq!(quoted(between("local BASIC = {", "\n}")), BASIC);
}

#[test]
fn lua_and_rust_know_the_same_script_types() {
    assert_eq!(quoted(between("local SCRIPT_TYPES = {", "}")), ScriptType::ALL.map(ScriptType::as_str));
}

#[test]
fn lua_and_rust_know_the_same_kinds_of_errors() {
    let of_rust = JobErrorKind::ALL.map(JobErrorKind::as_str);
    assert_eq!(quoted(between("local ERROR_KINDS = {", "\n}")), of_rust);
}

#[test]
fn lua_and_rust_know_the_same_states() {
    let terminal: BTreeSet<&str> = between("local TERMINAL_STATES = {", "}")
        .split(',')
        .filter_map(|item| item.split_once('=').map(|(word, _true)| word.trim()))
        .collect();
    let of_rust: BTreeSet<&str> =
        JobState::ALL.into_iter().filter(|state| state.is_terminal()).map(JobState::as_str).collect();
    assert_eq!(terminal, of_rust);
    let written: BTreeSet<&str> = LIBRARY
        .lines()
        .flat_map(|line| {
            let in_a_record = if line.contains("'HSET'") { "'status', '" } else { "status == '" };
            ["state = '", "status == '", "status ~= '", in_a_record].map(|before| line.split(before).skip(1))
        })
        .flatten()
        .filter_map(|rest| rest.split_once('\'').map(|(word, _rest)| word))
        .filter(|word| !["deleted", "updated"].contains(word))
        .collect();
    let foreign: Vec<&&str> = written.iter().filter(|word| JobState::parse(word).is_none()).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(JobState::ALL.iter().all(|state| written.contains(state.as_str())), "{written:?}");
}

#[test]
fn events_of_jobs_have_the_fields_that_rust_reads() {
    let emitter = between("local function emit_job_event(", "\nend");
    let mut written: BTreeSet<&str> = quoted(emitter).into_iter().collect();
    for of_the_command in ["XADD", "MAXLEN", "~", "*", ""] {
        written.remove(of_the_command);
    }
    written.extend(["error", "reason"]);
    let read = RefCell::new(BTreeSet::new());
    for state in ["queued", "updated"] {
        let event = decode_job_event(ScriptType::OSIS.into(), SystemTime::UNIX_EPOCH, |name| {
            read.borrow_mut().insert(name.to_owned());
            match name {
                "id" => Some("j1"),
                "state" => Some(state),
                "priority" => Some("3 1"),
                _other => None,
            }
        });
        assert!(event.is_some());
    }
    assert_eq!(written.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), read.into_inner());
}
