//! Asks a real engine host whether scripts run.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::actor::hosts::{Death, Host, HostEvent, HostTag, Launcher, Reply, Report};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{JobKind, JobSpec};
use crate::domain::model::script_type::ScriptType;
use crate::ports::work_queue::{Lease, TakenJob};

/// Loading an engine and running one line takes milliseconds; a compiler on a slow machine may need a while.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// A healthy engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Name and version of the engine.
    pub engine: String,
    /// Time from the start of the host to the answer of its first script.
    pub took: Duration,
}

/// Starts a host and pings its engine.
///
/// # Errors
/// Says what does not work, in one line.
pub async fn check<L: Launcher>(launcher: &mut L, script_type: ScriptType) -> Result<Health, String> {
    let begun = Instant::now();
    let engine = timeout(TIME_LIMIT, ping(launcher, script_type, begun + TIME_LIMIT)).await;
    let engine = engine.map_err(|_| format!("the engine did not answer within {TIME_LIMIT:?}"))??;
    Ok(Health { engine, took: begun.elapsed() })
}

async fn ping<L: Launcher>(
    launcher: &mut L,
    script_type: ScriptType,
    deadline: Instant,
) -> Result<String, String> {
    let (report, mut events) = mpsc::channel(8);
    let tag = HostTag { slot: 0, generation: 0 };
    let cannot = |error| format!("the engine host cannot be started: {error}");
    let mut host = launcher.launch(Report::new(tag, report)).map_err(cannot)?;
    let mut engine = String::new();
    while let Some((_, event)) = events.recv().await {
        let replies = match event {
            HostEvent::Replied(replies) => replies,
            HostEvent::CalledBack { .. } => continue,
            HostEvent::Died(death) => return Err(died(&death)),
        };
        for reply in replies {
            match reply {
                Reply::Ready { version } => {
                    engine = version;
                    host.submit(1, &ping_job(script_type), deadline);
                    host.flush();
                }
                Reply::Unavailable { reason } => return Err(reason),
                Reply::Done(done) => {
                    return done.outcome.map(|_| engine).map_err(|failed| failed.error.to_string());
                }
                Reply::Output { .. } | Reply::Stale { .. } => {}
            }
        }
    }
    Err("the engine host says nothing".to_owned())
}

fn ping_job(script_type: ScriptType) -> TakenJob {
    let mut spec = JobSpec::new(script_type, "ping");
    spec.kind = JobKind::Ping;
    spec.run_timeout = TIME_LIMIT;
    TakenJob { lease: Lease { token: String::new(), job_id: JobId::mint() }, spec, attempt: 1 }
}

fn died(death: &Death) -> String {
    let Death { exit_code, signal, log_tail, gone_at: _ } = death;
    let how = match (exit_code, signal) {
        (_, Some(signal)) => format!("was killed by signal {signal}"),
        (Some(code), None) => format!("exited with {code}"),
        (None, None) => "ended".to_owned(),
    };
    let said = log_tail.last().map(|line| format!(": {line}")).unwrap_or_default();
    format!("the engine host {how}{said}")
}
