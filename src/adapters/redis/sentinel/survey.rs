//! Questions of `doctor` to Sentinels.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

use super::ask::{ASK_TIMEOUT, GRACE, Sentinels};
use super::{Primary, SentinelUrl};
use crate::adapters::redis::RedisAccess;
use crate::adapters::redis::connection::refusal;

/// All Sentinels of a URL.
#[derive(Debug)]
pub(crate) struct SentinelSurvey {
    /// The primary that a majority names, or why there is none.
    pub(crate) primary: Result<Primary, String>,
    /// Each Sentinel of the URL.
    pub(crate) sentinels: Vec<SurveyedSentinel>,
}

/// One Sentinel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SurveyedSentinel {
    /// Address, as host and port.
    pub(crate) at: String,
    /// Other Sentinels that it knows, and its answer to whether a failover would find enough of them; or why there is no answer.
    pub(crate) answer: Result<(usize, Result<String, String>), String>,
}

impl SentinelSurvey {
    /// Asks all Sentinels; None for a URL that names none.
    pub(crate) async fn of(url: &str, access: &RedisAccess) -> Option<Self> {
        let url = SentinelUrl::parse(url).ok().flatten()?;
        let sentinels = Sentinels::new(url, access.clone());
        let primary = sentinels.primary(GRACE).await.map_err(|error| error.to_string());
        let mut all = Vec::new();
        for (host, port) in &sentinels.url.sentinels {
            let at = format!("{host}:{port}");
            let asked = timeout(ASK_TIMEOUT, async {
                let connected = sentinels.connect(host, *port).await.map_err(|error| error.to_string())?;
                let mut connection = connected.map_err(|error| refusal::words(&error))?;
                ask(&mut connection, &sentinels.url.name).await
            });
            let answer = asked.await.unwrap_or_else(|_| Err(format!("no answer within {ASK_TIMEOUT:?}")));
            all.push(SurveyedSentinel { at, answer });
        }
        Some(Self { primary, sentinels: all })
    }
}

async fn ask(
    connection: &mut MultiplexedConnection,
    name: &str,
) -> Result<(usize, Result<String, String>), String> {
    let mut facts = redis::cmd("SENTINEL");
    facts.arg("MASTER").arg(name);
    let facts: HashMap<String, String> =
        facts.query_async(connection).await.map_err(|error| refusal::words(&error))?;
    let others = facts.get("num-other-sentinels").and_then(|number| number.parse().ok()).unwrap_or(0);
    let mut quorum = redis::cmd("SENTINEL");
    quorum.arg("CKQUORUM").arg(name);
    let quorum: Result<String, _> = quorum.query_async(connection).await;
    Ok((others, quorum.map_err(|error| refusal::words(&error))))
}
