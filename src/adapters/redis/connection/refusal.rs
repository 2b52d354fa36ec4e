//! Refusals: answers of a reachable Redis that does not run a command.

use redis::{ErrorKind, RedisError};

use crate::ports::store_fault::Refusal;

/// The refusal that an error stands for; None for another error.
pub(crate) fn refusal_of(error: &RedisError) -> Option<Refusal> {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return Some(Refusal::AccessDenied);
    }
    let (code, detail) = parts(error)?;
    Some(match code.as_str() {
        "READONLY" | "MASTERDOWN" | "UNBLOCKED" => Refusal::ReadOnly,
        "OOM" => Refusal::Full,
        "MISCONF" | "NOREPLICAS" => Refusal::NotDurable,
        "NOAUTH" | "NOPERM" | "WRONGPASS" | "DENIED" => Refusal::AccessDenied,
        "LOADING" | "CLUSTERDOWN" | "TRYAGAIN" | "ASK" | "BUSY" => Refusal::Busy,
        "ERR" if detail.starts_with("max number of clients") => Refusal::Busy,
        // The words of a function of Redis 7.0 for NOPERM: of a command, a key, or a channel.
        "ERR" if detail.starts_with("The user executing the script can't ") => Refusal::AccessDenied,
        _other => return None,
    })
}

/// The error as Redis wrote it.
pub(crate) fn words(error: &RedisError) -> String {
    match parts(error) {
        Some((code, detail)) => format!("{code} {detail}").trim_end().to_owned(),
        None => error.to_string(),
    }
}

/// The first word of an answer that is an error.
pub(in super::super) fn code(error: &RedisError) -> Option<String> {
    parts(error).map(|(code, _detail)| code)
}

/// The first word of an answer, and the others. Of many commands in one write the first that failed counts.
fn parts(error: &RedisError) -> Option<(String, String)> {
    let errors = error.clone().into_server_errors()?;
    let (_index, first) = errors.first()?;
    Some((first.code().to_owned(), first.details().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn each_refusal_of_redis_has_its_kind() {
        let table = [
            ("READONLY", "You can't write against a read only replica.", Some(Refusal::ReadOnly)),
            ("MASTERDOWN", "Link with MASTER is down", Some(Refusal::ReadOnly)),
            ("UNBLOCKED", "force unblock from blocking operation", Some(Refusal::ReadOnly)),
            ("OOM", "command not allowed when used memory > 'maxmemory'.", Some(Refusal::Full)),
            ("MISCONF", "Redis is configured to save RDB snapshots", Some(Refusal::NotDurable)),
            ("NOREPLICAS", "Not enough good replicas to write.", Some(Refusal::NotDurable)),
            ("NOAUTH", "Authentication required.", Some(Refusal::AccessDenied)),
            ("NOPERM", "this user has no permissions", Some(Refusal::AccessDenied)),
            ("WRONGPASS", "invalid username-password pair", Some(Refusal::AccessDenied)),
            ("DENIED", "Redis is running in protected mode", Some(Refusal::AccessDenied)),
            ("LOADING", "Redis is loading the dataset in memory", Some(Refusal::Busy)),
            ("BUSY", "Redis is busy running a script", Some(Refusal::Busy)),
            ("CLUSTERDOWN", "The cluster is down", Some(Refusal::Busy)),
            ("ASK", "13090 127.0.0.1:7000", Some(Refusal::Busy)),
            ("TRYAGAIN", "Multiple keys request during rehashing", Some(Refusal::Busy)),
            ("ERR", "max number of clients reached", Some(Refusal::Busy)),
            (
                "ERR",
                "The user executing the script can't run this command or subcommand script: hero_x",
                Some(Refusal::AccessDenied),
            ),
            (
                "ERR",
                "The user executing the script can't access at least one of the keys mentioned in the command \
                 arguments script: hero_x",
                Some(Refusal::AccessDenied),
            ),
            (
                "ERR",
                "The user executing the script can't publish to the channel mentioned in the command script: hero_x",
                Some(Refusal::AccessDenied),
            ),
            ("ERR", "unknown command", None),
            ("WRONGTYPE", "Operation against a key", None),
            ("NOGROUP", "No such key", None),
        ];
        for (code, detail, expected) in table {
            let error = said(code, detail);
            assert_eq!(refusal_of(&error), expected, "{code} {detail}");
            assert_eq!(words(&error), format!("{code} {detail}"));
        }
    }
}
