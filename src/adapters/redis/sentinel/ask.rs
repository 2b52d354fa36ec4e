//! Questions to Sentinels.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, Value, from_redis_value};
use tokio::time::timeout;

use super::{Answer, NoPrimary, Primary, SentinelUrl, elect};
use crate::adapters::redis::RedisAccess;
use crate::adapters::redis::connection::refusal;
use crate::lock::Lock;
use crate::ports::store_fault::Refusal;

/// Deadline of one Sentinel. Shorter than that of a connection to Redis, of which it is a part.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_millis(800);
/// Time for those that are slower than a majority, which may know of a newer configuration.
pub(super) const GRACE: Duration = Duration::from_millis(50);

/// The Sentinels of a URL, and connections to them that are kept.
pub(super) struct Sentinels {
    pub(super) url: SentinelUrl,
    access: RedisAccess,
    kept: Lock<Vec<Option<MultiplexedConnection>>>,
}

impl Sentinels {
    pub(super) fn new(url: SentinelUrl, access: RedisAccess) -> Self {
        let kept = Lock::new(vec![None; url.sentinels.len()]);
        Self { url, access, kept }
    }

    /// Asks all Sentinels, and chooses among their answers. `grace` is the time for each that is slower than a majority.
    pub(super) async fn primary(&self, grace: Duration) -> Result<Primary, NoPrimary> {
        let places = self.url.sentinels.iter().enumerate();
        let mut answers: Vec<(String, Answer)> = places
            .clone()
            .map(|(_, (host, port))| (format!("{host}:{port}"), Answer::Away("no answer in time".to_owned())))
            .collect();
        let mut asked: FuturesUnordered<_> =
            places.map(|(index, _)| async move { (index, self.answer(index).await) }).collect();
        let (mut missing, mut named) = (answers.len(), 0);
        while missing > 0 {
            let limit = if named > answers.len() / 2 { grace } else { ASK_TIMEOUT };
            let Ok(Some((index, answer))) = timeout(limit, asked.next()).await else { break };
            missing -= 1;
            named += usize::from(matches!(answer, Ok(Answer::Primary(_))));
            answers[index].1 = answer?;
        }
        elect(&self.url.name, &answers)
    }

    async fn answer(&self, index: usize) -> Result<Answer, NoPrimary> {
        Ok(match timeout(ASK_TIMEOUT, self.ask(index)).await {
            Ok(answer) => answer?,
            Err(_elapsed) => {
                self.keep(index, None);
                Answer::Away(format!("no answer within {ASK_TIMEOUT:?}"))
            }
        })
    }

    /// Asks one Sentinel, on a new connection if the kept one broke.
    async fn ask(&self, index: usize) -> Result<Answer, NoPrimary> {
        let kept = self.kept.lock().get(index).cloned().flatten();
        if let Some(mut kept) = kept
            && let Ok(answer) = ask_for(&mut kept, &self.url.name).await
        {
            return Ok(answer);
        }
        self.keep(index, None);
        let (host, port) = &self.url.sentinels[index];
        let asked = match self.connect(host, *port).await? {
            Ok(mut connection) => {
                let answer = ask_for(&mut connection, &self.url.name).await;
                self.keep(index, Some(connection));
                answer
            }
            Err(error) => Err(error),
        };
        Ok(asked.unwrap_or_else(|error| failed(&error)))
    }

    /// Opens a connection with the password and the certificates that the files have now.
    pub(super) async fn connect(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Result<MultiplexedConnection, RedisError>, NoPrimary> {
        let info = self.url.sentinel(host, port).map_err(|error| NoPrimary::Access(error.to_string()))?;
        let client =
            self.access.sentinel_client(info).map_err(|error| NoPrimary::Access(error.to_string()))?;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(ASK_TIMEOUT))
            .set_connection_timeout(Some(ASK_TIMEOUT));
        Ok(client.get_multiplexed_async_connection_with_config(&config).await)
    }

    fn keep(&self, index: usize, connection: Option<MultiplexedConnection>) {
        if let Some(place) = self.kept.lock().get_mut(index) {
            *place = connection;
        }
    }
}

fn failed(error: &RedisError) -> Answer {
    match refusal::refusal_of(error) {
        Some(Refusal::AccessDenied) => Answer::LoginRefused(refusal::words(error)),
        Some(_) | None => Answer::Away(refusal::words(error)),
    }
}

/// Asks for the primary of this name. The address is the one that a failover under way has already chosen.
async fn ask_for(connection: &mut MultiplexedConnection, name: &str) -> Result<Answer, RedisError> {
    let mut ask = redis::pipe();
    ask.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).cmd("SENTINEL").arg("MASTER").arg(name);
    ask.ignore_errors();
    let answers: Vec<Value> = ask.query_async(connection).await?;
    let mut answers = answers.into_iter();
    let (address, facts) = (answers.next().unwrap_or_default(), answers.next().unwrap_or_default());
    if matches!(address, Value::Nil) {
        return Ok(Answer::Unknown(names(connection).await?));
    }
    let (host, port): (String, u16) = read(address)?;
    let facts: HashMap<String, String> = read(facts)?;
    let fact = |name: &str| facts.get(name).map(String::as_str).unwrap_or_default();
    // Once another server was made the primary its address is told, while the facts are those of the former one to the end.
    let is_the_former = fact("ip") != host || fact("port") != port.to_string();
    let is_being_replaced = fact("flags").contains("failover_in_progress") && !is_the_former;
    let epoch = fact("config-epoch").parse().unwrap_or(0);
    Ok(Answer::Primary(Primary { host, port, epoch, is_being_replaced }))
}

/// The names of all primaries that a Sentinel watches.
async fn names(connection: &mut MultiplexedConnection) -> Result<Vec<String>, RedisError> {
    let all: Vec<HashMap<String, String>> =
        redis::cmd("SENTINEL").arg("MASTERS").query_async(connection).await?;
    Ok(all.into_iter().filter_map(|mut facts| facts.remove("name")).collect())
}

/// Reads an answer that may be an error.
fn read<T: redis::FromRedisValue>(answer: Value) -> Result<T, RedisError> {
    match answer {
        Value::ServerError(error) => Err(error.into()),
        answer => from_redis_value(answer).map_err(RedisError::from),
    }
}
