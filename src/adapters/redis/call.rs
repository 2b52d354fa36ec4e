//! Calls on the shared connection: each has one deadline, is measured, and is repeated where that does no harm.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use metrics::histogram;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, Value};
use tokio::time::{Instant, sleep, timeout};

use super::cluster::{key_of, slot_of};
use super::connection::{
    CALL_TIMEOUT, Connection, Route, fault_of, is_broken, is_read_only, library, refusal,
};
use super::{reply, wrong_type};
use crate::ports::store_fault::StoreFault;
use crate::telemetry::metrics::{REDIS_DURATION, seconds};

/// Times that a command follows its key to another server of a Cluster, or to a server that it has found to be another one by then.
const REDIRECTS: u32 = 5;
/// Time for which a command waits for a slot that is on its way to another server, and time between two attempts.
const MIGRATION_LIMIT: Duration = Duration::from_millis(1_200);
const MIGRATION_PAUSE: Duration = Duration::from_millis(25);

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

    /// The key that says which server has all of this; None if any has.
    fn key(self) -> Option<&'a [u8]> {
        match self {
            Self::One(command) => key_of(command),
            Self::Many(pipeline) | Self::Each(pipeline) => pipeline.cmd_iter().find_map(key_of),
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
        let mut answers = Vec::with_capacity(pipeline.len());
        for answer in self.scatter(pipeline, false).await {
            answers.push(reply::read(what, answer?)?);
        }
        Ok(answers)
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
        pipeline: Pipeline,
        what: &str,
    ) -> Result<Vec<Result<R, StoreFault>>, StoreFault> {
        let answers = self.pipe_apart(pipeline, what).await;
        match answers.iter().find_map(|answer| answer.as_ref().err().filter(|error| !is_damage(error))) {
            Some(error) => Err(error.echo()),
            None => Ok(answers),
        }
    }

    /// The same; a server of a Cluster that cannot be asked fails its own commands only.
    pub(super) async fn pipe_apart<R: FromRedisValue>(
        &self,
        mut pipeline: Pipeline,
        what: &str,
    ) -> Vec<Result<R, StoreFault>> {
        pipeline.ignore_errors();
        let answers = self.scatter(&pipeline, true).await;
        let mut each = Vec::with_capacity(answers.len());
        for (command, answer) in pipeline.cmd_iter().zip(answers) {
            each.push(match answer {
                Err(error) => Err(error),
                Ok(answer) => match error_in(&answer) {
                    Some(error) => Err(self.name_wrong_type(command, &error).await),
                    None => reply::read(what, answer),
                },
            });
        }
        each
    }

    /// Runs commands in one write for each slot of a Cluster, elsewhere in one; returns an answer to each command. With `each`, an answer
    /// can be an error.
    async fn scatter(&self, pipeline: &Pipeline, each: bool) -> Vec<Result<Value, StoreFault>> {
        let run = async |part: &Pipeline| {
            let request = if each { Request::Each(part) } else { Request::Many(part) };
            match self.run(request, true, &AtomicBool::default()).await {
                Ok(Value::Array(answers)) if answers.len() == part.len() => {
                    answers.into_iter().map(Ok).collect()
                }
                Ok(other) => {
                    let error = reply::corrupt("commands", &format!("{other:?}"));
                    part.cmd_iter().map(|_command| Err(error.echo())).collect()
                }
                Err(error) => part.cmd_iter().map(|_command| Err(error.echo())).collect::<Vec<_>>(),
            }
        };
        if !self.servers().are_many() {
            return run(pipeline).await;
        }
        let parts = parts_of(pipeline, each);
        let answered = join_all(parts.iter().map(|(_indexes, part)| run(part))).await;
        let indexes = parts.into_iter().flat_map(|(indexes, _part)| indexes);
        let ordered: BTreeMap<usize, _> = indexes.zip(answered.into_iter().flatten()).collect();
        ordered.into_values().collect()
    }

    /// The fault of a command that failed on some connection; a key of the wrong type is named.
    pub(super) async fn name_wrong_type(&self, command: &Cmd, error: &RedisError) -> StoreFault {
        if !wrong_type::is_it(error) {
            return fault_of(error);
        }
        let named = async {
            let route = self.route(key_of(command)).await.ok()?;
            let (mut connection, _generation) = self.shared(&route).await.ok()?;
            Some(wrong_type::named(&mut connection, command, error).await)
        };
        timeout(CALL_TIMEOUT, named).await.ok().flatten().unwrap_or_else(|| fault_of(error))
    }

    /// Loads the functions on each primary where they are missing or older than ours: somebody has removed ours and an older supervisor
    /// has loaded its own, there was no memory for ours, or the primary is new in its Cluster.
    pub(super) async fn keep_library(&self) -> Result<(), StoreFault> {
        self.route(None).await?;
        let keep = async |route: Route| {
            let (mut connection, generation) = self.shared(&route).await?;
            match timeout(CALL_TIMEOUT, library::ensure(&mut connection)).await {
                Ok(kept) => kept,
                Err(_elapsed) => {
                    self.invalidate(&route, generation);
                    Err(StoreFault::TimedOut { after: CALL_TIMEOUT })
                }
            }
        };
        let kept = join_all(self.servers().all_routes().await?.into_iter().map(keep)).await;
        kept.into_iter().find(Result::is_err).unwrap_or(Ok(()))
    }

    async fn run(&self, request: Request<'_>, repeat: bool, sent: &AtomicBool) -> Result<Value, StoreFault> {
        let begun = Instant::now();
        let answer = match timeout(CALL_TIMEOUT, self.attempt(request, repeat, sent)).await {
            Ok(answer) => answer,
            Err(_elapsed) => {
                // A peer that vanished never answers: the next call gets a new connection.
                self.close_to(request.key());
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
        let (mut loads_left, mut moves_left, mut redirects_left) = (1, 1, REDIRECTS);
        let begun = Instant::now();
        loop {
            let route = self.route(request.key()).await?;
            let (mut connection, generation) = self.shared(&route).await?;
            sent.store(true, Ordering::Relaxed);
            let error = match self.servers().unless_moved(&route, request.send(&mut connection)).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let failure = fault_of(&error);
            let redirect = Redirect::of(&error).filter(|_redirect| self.servers().are_many());
            if matches!(redirect, Some(Redirect::Elsewhere)) && redirects_left > 0 {
                redirects_left -= 1;
                sent.store(false, Ordering::Relaxed);
                self.servers().look_again().await?;
            } else if let Some(Redirect::OnTheWay) = redirect
                && begun.elapsed() < MIGRATION_LIMIT
            {
                sent.store(false, Ordering::Relaxed);
                sleep(MIGRATION_PAUSE).await;
            } else if library::is_missing(&error) && loads_left > 0 {
                loads_left -= 1;
                sent.store(false, Ordering::Relaxed);
                library::load(&mut connection).await?;
            } else if is_broken(&error) {
                self.invalidate(&route, generation);
                if repeats_left == 0 || error.is_timeout() {
                    return Err(failure);
                }
                repeats_left -= 1;
            } else if is_read_only(&failure) {
                // After a failover the address leads to another Redis, but an open connection does not.
                sent.store(false, Ordering::Relaxed);
                self.invalidate(&route, generation);
                if moves_left == 0 {
                    return Err(failure);
                }
                moves_left -= 1;
            } else if let Some(Redirect::Elsewhere) = redirect {
                sent.store(false, Ordering::Relaxed);
                return Err(disagreement(&error));
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

/// The fault of servers of a Cluster each of which says that another one has the key.
fn disagreement(error: &RedisError) -> StoreFault {
    let what = format!("the servers of the Cluster send to each other: {}", refusal::words(error));
    StoreFault::Unavailable(what.into())
}

/// The error that stands for the answer to one command.
fn error_in(answer: &Value) -> Option<RedisError> {
    match answer {
        Value::ServerError(error) => Some(error.clone().into()),
        _other => None,
    }
}

/// An answer of a server of a Cluster by which it has done nothing.
enum Redirect {
    /// Another server has the key.
    Elsewhere,
    /// The slot is on its way to another server. Nothing is asked of that one before it has all of the slot: a function there would
    /// see half of its keys.
    OnTheWay,
}

impl Redirect {
    fn of(error: &RedisError) -> Option<Self> {
        match refusal::code(error)?.as_str() {
            "MOVED" => Some(Self::Elsewhere),
            "ASK" | "TRYAGAIN" => Some(Self::OnTheWay),
            _other => None,
        }
    }
}

/// The commands of a pipeline by the slot of their keys, each with its place. A command without a key follows the one before it.
fn parts_of(pipeline: &Pipeline, each: bool) -> Vec<(Vec<usize>, Pipeline)> {
    let mut parts: Vec<(u16, Vec<usize>, Pipeline)> = Vec::new();
    let mut last = 0;
    for (index, command) in pipeline.cmd_iter().enumerate() {
        let slot = key_of(command).map(slot_of);
        let known = match slot {
            Some(slot) => parts.iter().position(|(of, ..)| *of == slot),
            None => (last < parts.len()).then_some(last),
        };
        last = known.unwrap_or_else(|| {
            let mut part = redis::pipe();
            if each {
                part.ignore_errors();
            }
            parts.push((slot.unwrap_or(0), Vec::new(), part));
            parts.len() - 1
        });
        let (_slot, indexes, part) = &mut parts[last];
        indexes.push(index);
        part.add_command(command.clone());
    }
    parts.into_iter().map(|(_slot, indexes, part)| (indexes, part)).collect()
}

/// True for an error of one key, and not of the server that has it.
fn is_damage(error: &StoreFault) -> bool {
    matches!(error, StoreFault::Corrupt { .. })
}
