//! The users of Redis: one for supervisors, and one for the actors of each script type. None has more rights than it uses.
//!
//! Functions run with the rights of their caller, so a user has the commands of its functions beside those that it sends.

use super::keys;
use crate::domain::model::queue_name::TypedQueue;
use crate::domain::model::script_type::ScriptType;

/// Rights to what every client of Redis does: log in, choose a database, say its name, ask whether Redis is there.
const OF_CONNECTIONS: [&str; 2] = ["+@connection", "-@dangerous"];

/// Commands of actors. They cannot load functions: whoever can, runs code with the rights of all who call them.
const OF_ACTORS: [&str; 34] = [
    "cluster|nodes",
    "cluster|slots",
    "del",
    "exists",
    "fcall",
    "get",
    "hdel",
    "hget",
    "hincrby",
    "hmget",
    "hset",
    "pexpire",
    "publish",
    "time",
    "type",
    "xack",
    "xadd",
    "xclaim",
    "xdel",
    "xgroup|create",
    "xgroup|delconsumer",
    "xinfo|groups",
    "xlen",
    "xpending",
    "xrange",
    "xreadgroup",
    "xrevrange",
    "xtrim",
    "zadd",
    "zlexcount",
    "zrange",
    "zrangebylex",
    "zrem",
    "zscore",
];

/// Further commands of actors whose scripts store objects.
const OF_OBJECTS: [&str; 6] = ["hkeys", "hlen", "sadd", "smembers", "srem", "sscan"];

/// Commands of supervisors. `info` is for `doctor`.
const OF_SUPERVISORS: [&str; 60] = [
    "cluster|info",
    "cluster|nodes",
    "cluster|slots",
    "del",
    "exists",
    "fcall",
    "function|delete",
    "function|load",
    "get",
    "hdel",
    "hexists",
    "hget",
    "hgetall",
    "hincrby",
    "hlen",
    "hmget",
    "hscan",
    "hset",
    "hsetnx",
    "info",
    "persist",
    "pexpire",
    "publish",
    "renamenx",
    "sadd",
    "set",
    "srem",
    "sscan",
    "subscribe",
    "time",
    "type",
    "unlink",
    "xack",
    "xadd",
    "xclaim",
    "xdel",
    "xgroup|delconsumer",
    "xinfo|consumers",
    "xinfo|groups",
    "xinfo|stream",
    "xlen",
    "xpending",
    "xrange",
    "xread",
    "xrevrange",
    "xtrim",
    "zadd",
    "zcard",
    "zcount",
    "zlexcount",
    "zrandmember",
    "zrange",
    "zrangebylex",
    "zrangebyscore",
    "zrank",
    "zrem",
    "zremrangebyscore",
    "zscan",
    "zscore",
    "zunionstore",
];

/// Further commands of those who make and restore backups.
const OF_BACKUPS: [&str; 3] = ["hkeys", "pttl", "scan"];

/// A user of Redis and its rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclUser {
    /// Name of the user.
    pub name: String,
    rights: Vec<String>,
}

impl AclUser {
    /// Returns the user of supervisors.
    pub fn of_supervisors() -> Self {
        // Those of all queues.
        let channels = vec!["&hero:{*}:news".to_owned()];
        Self {
            name: "hero-supervisor".to_owned(),
            rights: rights(keys::rights_of_supervisors(), channels, &[&OF_SUPERVISORS]),
        }
    }

    /// Returns the user that makes and restores backups.
    pub fn of_backups() -> Self {
        Self {
            name: "hero-backup".to_owned(),
            rights: rights(keys::rights_of_backups(), Vec::new(), &[&OF_SUPERVISORS, &OF_BACKUPS]),
        }
    }

    /// Returns the user of the actors of a queue; a script type stands for its default queue.
    pub fn of_actors(queue: impl Into<TypedQueue>) -> Self {
        let queue = queue.into();
        let script_type = queue.script_type;
        let channels = vec![format!("&{}", keys::changes(queue.name))];
        let commands: &[&[&str]] = match script_type {
            ScriptType::OSIS => &[&OF_ACTORS, &OF_OBJECTS],
            ScriptType::SAL | ScriptType::V | ScriptType::Python => &[&OF_ACTORS],
        };
        Self {
            name: format!("hero-actor-{queue}"),
            rights: rights(keys::rights_of_actors(queue), channels, commands),
        }
    }

    /// Returns the users of supervisors, of backups and of the actors of all default queues.
    pub fn all() -> Vec<Self> {
        [Self::of_supervisors(), Self::of_backups()]
            .into_iter()
            .chain(ScriptType::ALL.map(Self::of_actors))
            .collect()
    }

    /// Returns the words behind `ACL SETUSER`: the name, a password by its SHA-256 if there is one, and the rights.
    /// Without a password nobody can log in as the user.
    pub fn words(&self, password_sha256: Option<&str>) -> Vec<String> {
        let password = password_sha256.map(|digest| format!("#{digest}"));
        let first = [self.name.clone(), "reset".to_owned(), "on".to_owned()];
        first.into_iter().chain(password).chain(self.rights.iter().cloned()).collect()
    }
}

fn rights(keys: Vec<String>, channels: Vec<String>, commands: &[&[&str]]) -> Vec<String> {
    let commands = commands.iter().copied().flatten().map(|command| format!("+{command}"));
    let of_connections = OF_CONNECTIONS.map(str::to_owned);
    keys.into_iter().chain(channels).chain(of_connections).chain(commands).collect()
}

#[cfg(test)]
mod tests;
