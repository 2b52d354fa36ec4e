//! The rights are those that functions and programs use, no more and no less.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;

use super::*;
use crate::adapters::redis::functions::LIBRARY;

/// Functions that actors call.
const FUNCTIONS_OF_ACTORS: [&str; 10] = [
    "hero_announce",
    "hero_finish",
    "hero_leave",
    "hero_log",
    "hero_probe",
    "hero_reject",
    "hero_release",
    "hero_revision",
    "hero_start",
    "hero_wake",
];
/// Functions for the objects of scripts.
const FUNCTIONS_OF_OBJECTS: [&str; 4] =
    ["hero_object_delete", "hero_object_find", "hero_object_page", "hero_object_put"];
/// Files that only actors use, below the folder of the adapter.
const FILES_OF_ACTORS: [&str; 2] = ["work_queue.rs", "work_queue/"];
/// Files for the objects of scripts.
const FILES_OF_OBJECTS: [&str; 1] = ["object_store.rs"];
/// Functions for backups.
const FUNCTIONS_OF_BACKUPS: [&str; 6] = [
    "hero_backup_extent",
    "hero_backup_jobs",
    "hero_backup_objects",
    "hero_restore_jobs",
    "hero_restore_object",
    "hero_restore_queue",
];
/// Files for backups.
const FILES_OF_BACKUPS: [&str; 2] = ["backup.rs", "backup/"];
/// Files that actors and supervisors use.
const FILES_OF_BOTH: [&str; 4] = ["connection.rs", "functions.rs", "wrong_type.rs", "cluster/ask.rs"];
/// Commands that every user has, since they are about connections.
const OF_ALL: [&str; 2] = ["ping", "wait"];
/// Files that talk to Sentinels.
const FILES_OF_SENTINELS: [&str; 1] = ["sentinel/"];
/// Files that ask on behalf of `doctor`.
const FILES_OF_DOCTOR: [&str; 1] = ["cluster/survey.rs"];
/// Commands that neither a function nor the adapter uses: the library of Redis subscribes, and `doctor` asks.
const ELSEWHERE: [&str; 4] = ["cluster|info", "function|delete", "info", "subscribe"];

/// The bodies of the functions of the library, by name.
fn bodies() -> BTreeMap<String, String> {
    let begin =
        Regex::new(r"^\s*(?:(?:local )?function ([\w.]+)\(|(?:writing|freeing|reading)\('(\w+)')").unwrap();
    let (mut all, mut current) = (BTreeMap::<String, String>::new(), None);
    for line in LIBRARY.lines().map(|line| line.split("--").next().unwrap()) {
        if let Some(found) = begin.captures(line) {
            current = found.get(1).or(found.get(2)).map(|name| name.as_str().to_owned());
        }
        if let Some(name) = &current {
            let body = all.entry(name.clone()).or_default();
            body.push_str(line);
            body.push('\n');
        }
    }
    all
}

/// The commands of the functions of these names, and of all that those use.
fn commands_of_functions(names: &[&str]) -> BTreeSet<String> {
    let bodies = bodies();
    let (word, call) = (Regex::new(r"\w+(?:\.\w+)?").unwrap(), Regex::new(r"redis\.p?call\((.*)").unwrap());
    let quoted = Regex::new(r"'([A-Z]{2,})'").unwrap();
    let mut to_do: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let (mut seen, mut commands) = (BTreeSet::new(), BTreeSet::new());
    while let Some(name) = to_do.pop() {
        let body = bodies.get(&name).unwrap_or_else(|| panic!("{name} is in the library"));
        if !seen.insert(name) {
            continue;
        }
        let used = word.find_iter(body).map(|word| word.as_str());
        to_do.extend(used.filter(|word| bodies.contains_key(*word)).map(str::to_owned));
        for args in call.captures_iter(body).map(|found| found.get(1).unwrap().as_str()) {
            let first = args.split(',').next().unwrap();
            let all: Vec<&str> =
                quoted.captures_iter(args).map(|found| found.get(1).unwrap().as_str()).collect();
            for command in quoted.captures_iter(first).map(|found| found[1].to_lowercase()) {
                commands.insert(match command.as_str() {
                    "xinfo" | "xgroup" => format!("{command}|{}", all[1].to_lowercase()),
                    _plain => command,
                });
            }
        }
    }
    commands
}

/// The commands that the adapter sends from its files of which this is true.
fn commands_of_files(is_meant: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/adapters/redis");
    let sent = Regex::new(r#"cmd\("([A-Z]+)"\)(?:(?:;\s*\w+)?\.arg\("(SLOTS|NODES)"\))?"#).unwrap();
    let mut commands = BTreeSet::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !name.contains("tests")
                && !is_in(&name, &FILES_OF_SENTINELS)
                && !is_in(&name, &FILES_OF_DOCTOR)
                && is_meant(&name)
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                let sent = sent.captures_iter(code).map(|found| match found.get(2) {
                    Some(of) => format!("{}|{}", &found[1], of.as_str()).to_lowercase(),
                    None => found[1].to_lowercase(),
                });
                commands.extend(sent.filter(|command| !OF_ALL.contains(&command.as_str())));
            }
        }
    }
    commands
}

fn is_in(name: &str, files: &[&str]) -> bool {
    files.iter().any(|file| name == *file || (file.ends_with('/') && name.starts_with(file)))
}

fn set(lists: &[&[&str]]) -> BTreeSet<String> {
    lists.iter().copied().flatten().map(|command| (*command).to_owned()).collect()
}

#[test]
fn actors_have_the_commands_that_they_use() {
    let both = commands_of_files(|name| is_in(name, &FILES_OF_BOTH));
    let mut used = commands_of_functions(&FUNCTIONS_OF_ACTORS);
    // All functions are registered with it.
    used.extend(commands_of_functions(&["undivided"]));
    used.extend(commands_of_files(|name| is_in(name, &FILES_OF_ACTORS)));
    used.extend(both.into_iter().filter(|command| command != "function"));
    assert_eq!(used, set(&[&OF_ACTORS]));

    used.extend(commands_of_functions(&FUNCTIONS_OF_OBJECTS));
    used.extend(commands_of_files(|name| is_in(name, &FILES_OF_OBJECTS)));
    assert_eq!(used, set(&[&OF_ACTORS, &OF_OBJECTS]));
}

#[test]
fn supervisors_have_the_commands_that_they_use() {
    let bodies = bodies();
    let only_actors: BTreeSet<&str> = FUNCTIONS_OF_ACTORS
        .into_iter()
        .filter(|name| !["hero_probe", "hero_revision"].contains(name))
        .collect();
    let theirs = bodies.keys().map(String::as_str).filter(|name| {
        name.starts_with("hero_")
            && !only_actors.contains(name)
            && !FUNCTIONS_OF_OBJECTS.contains(name)
            && !FUNCTIONS_OF_BACKUPS.contains(name)
    });
    let mut used = commands_of_functions(&theirs.collect::<Vec<_>>());
    used.extend(commands_of_files(|name| {
        let of_others = [&FILES_OF_ACTORS[..], &FILES_OF_OBJECTS, &FILES_OF_BACKUPS];
        of_others.iter().all(|files| !is_in(name, files)) && name != "script_redis.rs"
    }));
    assert!(used.remove("function"));
    used.insert("function|load".to_owned());
    used.extend(ELSEWHERE.map(str::to_owned));
    assert_eq!(used, set(&[&OF_SUPERVISORS]));
}

#[test]
fn backups_have_the_commands_that_they_use_beside_those_of_supervisors() {
    let mut used = commands_of_functions(&FUNCTIONS_OF_BACKUPS);
    used.extend(commands_of_files(|name| is_in(name, &FILES_OF_BACKUPS)));
    let more: BTreeSet<String> = used.difference(&set(&[&OF_SUPERVISORS])).cloned().collect();
    assert_eq!(more, set(&[&OF_BACKUPS]));
}

#[test]
fn no_pattern_of_actors_reaches_another_type() {
    for script_type in ScriptType::ALL {
        let tag = format!("{{{script_type}}}");
        for right in AclUser::of_actors(script_type).rights {
            let Some((_, pattern)) = right.split_once('~') else { continue };
            let shared = [keys::EPOCH, keys::PROBE].contains(&pattern) || pattern == "hero:obj:*";
            assert!(shared || pattern.contains(&tag), "{right}");
        }
    }
}
