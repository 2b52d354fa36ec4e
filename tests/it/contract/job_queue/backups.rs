//! Backups of what is on a real Redis or Cluster, made and restored by the real program.

mod broken_off;
mod contents;
mod golden;
mod online;
mod record_output;
mod refusals;
mod round_trips;
mod unique_keys;

use std::path::Path;

use super::queue_contract::QueueContract;
use crate::support::service::{Ran, run};

/// The words of a command of the program on this Redis, whose user has no more rights than it needs.
fn words<'a>(bench: &QueueContract, verb: &'a str, file: &'a Path, more: &[&'a str]) -> Vec<String> {
    let config = bench.backups();
    let mut words = vec![verb.to_owned(), file.display().to_string(), "-o".to_owned(), "json".to_owned()];
    words.extend(more.iter().map(|word| (*word).to_owned()));
    words.extend(["--redis-url".to_owned(), config.url]);
    if let (Some(user), Some(file)) = (config.access.user, config.access.password_file) {
        words.extend(["--redis-user".to_owned(), user]);
        words.extend(["--redis-password-file".to_owned(), file.display().to_string()]);
    }
    words
}

/// Makes a backup.
fn save(bench: &QueueContract, file: &Path, more: &[&str]) -> Ran {
    run(words(bench, "backup", file, more))
}

/// Restores one.
fn load(bench: &QueueContract, file: &Path, more: &[&str]) -> Ran {
    run(words(bench, "restore", file, more))
}

fn fine(ran: Ran) -> serde_json::Value {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}
