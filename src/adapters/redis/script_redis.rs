//! The Redis that scripts may use, on one blocking connection.

use std::time::Duration;

use redis::{Client, Connection, RedisError, Value};
use tokio::time::Instant;

use crate::lock::Lock;
use crate::ports::script_redis::{Answer, ScriptRedis};

/// Idle time after which a connection is not used again, since Redis may have been restarted between two jobs.
const FRESH: Duration = Duration::from_secs(1);

/// A Redis at a URL.
pub struct RedisForScripts {
    url: String,
    kept: Lock<Option<IdleConnection>>,
}

struct IdleConnection {
    connection: Connection,
    used_at: Instant,
}

impl RedisForScripts {
    /// Keeps the URL. The first command connects.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), kept: Lock::default() }
    }

    fn try_ask(&self, command: &str, args: &[&str], time_limit: Duration) -> Result<Value, RedisError> {
        let mut slot = self.kept.lock();
        let mut connection = match slot.take().filter(|kept| kept.used_at.elapsed() <= FRESH) {
            Some(kept) => kept.connection,
            None => Client::open(self.url.as_str())?.get_connection_with_timeout(time_limit)?,
        };
        connection.set_read_timeout(Some(time_limit))?;
        connection.set_write_timeout(Some(time_limit))?;
        let answer = redis::cmd(command).arg(args).query::<Value>(&mut connection);
        // A late answer on a failed connection must not pass for that of the next command.
        let broken =
            answer.as_ref().is_err_and(|error| error.is_io_error() || error.is_unrecoverable_error());
        if !broken {
            *slot = Some(IdleConnection { connection, used_at: Instant::now() });
        }
        answer
    }
}

impl ScriptRedis for RedisForScripts {
    fn ask(&self, command: &str, args: &[&str], time_limit: Duration) -> Result<Answer, String> {
        match self.try_ask(command, args, time_limit).map_err(|error| error.to_string())? {
            Value::Nil => Ok(Answer::Nothing),
            Value::Int(number) => Ok(Answer::Number(number)),
            Value::Okay => Ok(Answer::Text("OK".to_owned())),
            Value::SimpleString(text) => Ok(Answer::Text(text)),
            Value::BulkString(bytes) => text(bytes).map(Answer::Text),
            Value::Array(all) => {
                let texts = all.into_iter().map(|each| match each {
                    Value::BulkString(bytes) => text(bytes),
                    other => Err(format!("{other:?} is no text")),
                });
                texts.collect::<Result<_, _>>().map(Answer::Texts)
            }
            other => Err(format!("it answers with {other:?}")),
        }
    }
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "what it holds there is not UTF-8".to_owned())
}

impl std::fmt::Debug for RedisForScripts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("RedisForScripts").finish_non_exhaustive()
    }
}
