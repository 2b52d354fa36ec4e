//! Calls on the shared connection: each has one deadline, is measured, and is repeated where that does no harm.

use std::sync::atomic::{AtomicBool, Ordering};

use metrics::histogram;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, Value};
use tokio::time::{Instant, timeout};

use super::connection::{CALL_TIMEOUT, Connection, fault_of, is_broken, is_read_only, library};
use super::{reply, wrong_type};
use crate::ports::store_fault::StoreFault;
use crate::telemetry::metrics::{REDIS_DURATION, seconds};

/// A failed call, and whether it may have had its effect.
pub(super) struct Failed {
    pub(super) error: StoreFault,
    pub(super) sent: bool,
}

impl From<Failed> for StoreFault {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// One or several commands that go out in one write.
#[derive(Clone, Copy)]
enum Request<'a> {
    One(&'a Cmd),
    Many(&'a Pipeline),
    /// The same; a key of the wrong type fails its own command only.
    Each(&'a Pipeline),
}

impl<'a> Request<'a> {
    async fn send(self, connection: &mut MultiplexedConnection) -> Result<Value, RedisError> {
        match self {
            Self::One(command) => command.query_async(connection).await,
            Self::Many(pipeline) => pipeline.query_async(connection).await.map(Value::Array),
            Self::Each(pipeline) => {
                let answers: Vec<Value> = pipeline.query_async(connection).await?;
                match answers.iter().filter_map(error_in).find(|error| !wrong_type::is_it(error)) {
                    Some(error) => Err(error),
                    None => Ok(Value::Array(answers)),
                }
            }
        }
    }

    /// The command that has failed. Of many in one write the first that failed counts.
    fn failed(self, error: &RedisError) -> Option<&'a Cmd> {
        match self {
            Self::One(command) => Some(command),
            Self::Many(pipeline) | Self::Each(pipeline) => {
                let (index, _error) = error.clone().into_server_errors()?.first()?.clone();
                pipeline.cmd_iter().nth(index)
            }
        }
    }
}

impl Connection {
    /// Runs a command that may be repeated without harm: once more on a new connection if the old one broke. `what` names the
    /// answer in the error of one that cannot be read.
    pub(super) async fn call<R: FromRedisValue>(&self, command: &Cmd, what: &str) -> Result<R, StoreFault> {
        reply::read(what, self.run(Request::One(command), true, &AtomicBool::default()).await?)
    }

    /// Runs a command once. If the connection breaks, nobody knows whether the command had its effect.
    pub(super) async fn call_once<R: FromRedisValue>(&self, command: &Cmd, what: &str) -> Result<R, Failed> {
        let sent = AtomicBool::new(false);
        let answer = self.run(Request::One(command), false, &sent).await;
        let read = answer.and_then(|answer| reply::read(what, answer));
        read.map_err(|error| Failed { error, sent: sent.load(Ordering::Relaxed) })
    }

    /// Runs commands in one write, repeated as in [`Connection::call`]. The first error of any is the error of all.
    pub(super) async fn pipe<R: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
        what: &str,
    ) -> Result<Vec<R>, StoreFault> {
        read_all(what, self.run(Request::Many(pipeline), true, &AtomicBool::default()).await?)
    }

    /// Runs a command, once more if the connection broke; true says that the first try may have had its effect, so that the answer may
    /// be about what this very call has done.
    pub(super) async fn call_again<R: FromRedisValue>(
        &self,
        command: &Cmd,
        what: &str,
    ) -> Result<(R, bool), StoreFault> {
        match self.call_once(command, what).await {
            Ok(answer) => Ok((answer, false)),
            Err(Failed { error: StoreFault::Unavailable(_), sent }) => {
                Ok((self.call_once(command, what).await?, sent))
            }
            Err(failed) => Err(failed.error),
        }
    }

    /// Runs commands in one write, repeated as in [`Connection::call`]. A key of the wrong type fails its own command only.
    pub(super) async fn pipe_each<R: FromRedisValue>(
        &self,
        mut pipeline: Pipeline,
        what: &str,
    ) -> Result<Vec<Result<R, StoreFault>>, StoreFault> {
        pipeline.ignore_errors();
        let answer = self.run(Request::Each(&pipeline), true, &AtomicBool::default()).await?;
        let answers: Vec<Value> = read_all(what, answer)?;
        let mut each = Vec::with_capacity(answers.len());
        for (command, answer) in pipeline.cmd_iter().zip(answers) {
            each.push(match error_in(&answer) {
                Some(error) => Err(self.name_wrong_type(command, &error).await),
                None => reply::read(what, answer),
            });
        }
        Ok(each)
    }

    /// The fault of a command that failed on some connection; a key of the wrong type is named.
    pub(super) async fn name_wrong_type(&self, command: &Cmd, error: &RedisError) -> StoreFault {
        if !wrong_type::is_it(error) {
            return fault_of(error);
        }
        let named = async {
            let (mut connection, _generation) = self.shared().await.ok()?;
            Some(wrong_type::named(&mut connection, command, error).await)
        };
        timeout(CALL_TIMEOUT, named).await.ok().flatten().unwrap_or_else(|| fault_of(error))
    }

    /// Loads the functions if those in Redis are older than ours by now: somebody has removed ours and an older supervisor has loaded
    /// its own, or there was no memory for ours.
    pub(super) async fn keep_library(&self) -> Result<(), StoreFault> {
        let (mut connection, generation) = self.shared().await?;
        match timeout(CALL_TIMEOUT, library::ensure(&mut connection)).await {
            Ok(kept) => kept,
            Err(_elapsed) => {
                self.invalidate(generation);
                Err(StoreFault::TimedOut { after: CALL_TIMEOUT })
            }
        }
    }

    async fn run(&self, request: Request<'_>, repeat: bool, sent: &AtomicBool) -> Result<Value, StoreFault> {
        let begun = Instant::now();
        let answer = match timeout(CALL_TIMEOUT, self.attempt(request, repeat, sent)).await {
            Ok(answer) => answer,
            Err(_elapsed) => {
                // A peer that vanished never answers: the next call gets a new connection.
                self.close();
                Err(StoreFault::TimedOut { after: CALL_TIMEOUT })
            }
        };
        let outcome = if answer.is_ok() { "ok" } else { "error" };
        histogram!(REDIS_DURATION, "outcome" => outcome).record(seconds(begun.elapsed()));
        answer
    }

    /// Sends a request, again after what can be mended. `sent` is true while the request may have had its effect.
    async fn attempt(
        &self,
        request: Request<'_>,
        repeat: bool,
        sent: &AtomicBool,
    ) -> Result<Value, StoreFault> {
        let mut repeats_left = u32::from(repeat);
        let (mut loads_left, mut moves_left) = (1, 1);
        loop {
            let moves = self.moves();
            let (mut connection, generation) = self.shared().await?;
            sent.store(true, Ordering::Relaxed);
            let error = match self.unless_moved(moves, request.send(&mut connection)).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let failure = fault_of(&error);
            if library::is_missing(&error) && loads_left > 0 {
                loads_left -= 1;
                sent.store(false, Ordering::Relaxed);
                library::load(&mut connection).await?;
            } else if is_broken(&error) {
                self.invalidate(generation);
                if repeats_left == 0 || error.is_timeout() {
                    return Err(failure);
                }
                repeats_left -= 1;
            } else if is_read_only(&failure) {
                // After a failover the address leads to another Redis, but an open connection does not.
                sent.store(false, Ordering::Relaxed);
                self.invalidate(generation);
                if moves_left == 0 {
                    return Err(failure);
                }
                moves_left -= 1;
            } else {
                sent.store(false, Ordering::Relaxed);
                return match request.failed(&error).filter(|_command| wrong_type::is_it(&error)) {
                    Some(command) => Err(wrong_type::named(&mut connection, command, &error).await),
                    None => Err(failure),
                };
            }
        }
    }
}

/// The error that stands for the answer to one command.
fn error_in(answer: &Value) -> Option<RedisError> {
    match answer {
        Value::ServerError(error) => Some(error.clone().into()),
        _other => None,
    }
}

/// Reads the answers of a pipeline.
fn read_all<R: FromRedisValue>(what: &str, answer: Value) -> Result<Vec<R>, StoreFault> {
    match answer {
        // One by one: the answers of several commands are no flat list of pairs.
        Value::Array(answers) => answers.into_iter().map(|answer| reply::read(what, answer)).collect(),
        other => reply::read(what, other),
    }
}
