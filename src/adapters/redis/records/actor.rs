//! Records of actors and of their configs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::confinement::ConfinementRecord;
use super::json::{NAMED_QUEUES, VERSION, check_version, corrupt, decode, encode, span_millis};
use super::shared::HealthSettingsRecord;
use super::words::{DesiredWord, FaultWord, ManagedByWord, ReadinessWord, RestartModeWord};
use super::{millis, time_of};
use crate::domain::model::actor::{
    ActorConfig, ActorRecord, ExitStatus, Fault, LastExit, OperationLease, RestartPolicy, Verb,
};
use crate::domain::model::backoff::Backoff;
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::store_fault::StoreFault;

#[derive(Serialize, Deserialize)]
struct ConfigRecord {
    version: u32,
    name: String,
    binary: PathBuf,
    script_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    env_from_file: BTreeMap<String, PathBuf>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    secret_env: BTreeSet<String>,
    health_check: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
    working_dir: Option<PathBuf>,
    sha256: Option<String>,
    drain_timeout_ms: u64,
    start_timeout_ms: u64,
    readiness: ReadinessWord,
    restart: RestartRecord,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    health: HealthSettingsRecord,
    #[serde(default, skip_serializing_if = "ConfinementRecord::is_none")]
    confinement: ConfinementRecord,
}

#[derive(Serialize, Deserialize)]
struct RestartRecord {
    mode: RestartModeWord,
    initial_backoff_ms: u64,
    max_backoff_ms: u64,
    reset_after_ms: u64,
    max_restarts: u32,
    window_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredActor {
    version: u32,
    id: String,
    node: String,
    config: ConfigRecord,
    desired: DesiredWord,
    managed_by: ManagedByWord,
    created_ms: i64,
    generation: u64,
    restart_count: u32,
    last_pid: Option<u32>,
    last_exit: Option<ExitRecord>,
    #[serde(default)]
    fault: Option<FaultRecord>,
    #[serde(default)]
    outdated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_by: Option<ConfigRecord>,
    #[serde(default, rename = "wishes")]
    requests_made: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<OperationRecord>,
}

#[derive(Serialize, Deserialize)]
struct ExitRecord {
    code: Option<i32>,
    signal: Option<i32>,
    at_ms: i64,
    pid: u32,
    requested: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default)]
    log_tail: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct OperationRecord {
    verb: VerbWord,
    #[serde(default)]
    force: bool,
    id: String,
    heartbeat: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum VerbWord {
    Start,
    Stop,
    Restart,
    Delete,
}

#[derive(Serialize, Deserialize)]
struct FaultRecord {
    kind: FaultWord,
    message: String,
}

/// The version of the record of an actor. A supervisor that does not know queues by name would start the actor at another
/// queue, and write the record without this one: it is to leave it alone.
fn version_of(config: &ActorConfig) -> u32 {
    if config.queue.is_some() { NAMED_QUEUES } else { VERSION }
}

/// Encodes a config.
pub(in super::super) fn encode_config(config: &ActorConfig) -> Result<String, StoreFault> {
    encode(&what_actor(&config.name), &config_record(config))
}

/// Decodes a config; `what` names it in errors.
pub(in super::super) fn decode_config(what: &str, json: &str) -> Result<ActorConfig, StoreFault> {
    let what = what_actor(what);
    config_of(&what, decode(&what, json)?)
}

/// Encodes a record with this generation.
pub(in super::super) fn encode_actor(record: &ActorRecord, generation: u64) -> Result<String, StoreFault> {
    let ActorRecord {
        id,
        node,
        config,
        desired,
        managed_by,
        created_at,
        generation: _,
        restart_count,
        last_pid,
        last_exit,
        fault,
        outdated,
        started_by,
        requests_made,
        operation,
    } = record;
    let stored = StoredActor {
        version: version_of(config),
        id: id.as_str().to_owned(),
        node: node.as_str().to_owned(),
        config: config_record(config),
        desired: (*desired).into(),
        managed_by: (*managed_by).into(),
        created_ms: millis(*created_at),
        generation,
        restart_count: *restart_count,
        last_pid: *last_pid,
        last_exit: last_exit.as_ref().map(|exit| ExitRecord {
            code: exit.status.code(),
            signal: exit.status.signal(),
            at_ms: millis(exit.at),
            pid: exit.pid,
            requested: exit.requested,
            reason: exit.reason.clone(),
            log_tail: exit.log_tail.clone(),
        }),
        fault: fault
            .as_ref()
            .map(|fault| FaultRecord { kind: fault.kind.into(), message: fault.message.clone() }),
        outdated: *outdated,
        started_by: started_by.as_deref().map(config_record),
        requests_made: *requests_made,
        operation: operation.as_ref().map(operation_record),
    };
    encode(&what_actor(id.as_str()), &stored)
}

/// Decodes a record; `what` names it in errors.
pub(in super::super) fn decode_actor(what: &str, json: &str) -> Result<ActorRecord, StoreFault> {
    let what = &what_actor(what);
    let stored: StoredActor = decode(what, json)?;
    check_version(what, stored.version)?;
    Ok(ActorRecord {
        id: ActorId::parse(&stored.id).map_err(|error| corrupt(what, error))?,
        node: NodeName::parse(&stored.node).map_err(|error| corrupt(what, error))?,
        config: config_of(what, stored.config)?,
        desired: stored.desired.into(),
        managed_by: stored.managed_by.into(),
        created_at: time_of(stored.created_ms),
        generation: stored.generation,
        restart_count: stored.restart_count,
        last_pid: stored.last_pid,
        last_exit: stored.last_exit.map(|exit| LastExit {
            status: exit_status(exit.code, exit.signal),
            at: time_of(exit.at_ms),
            pid: exit.pid,
            requested: exit.requested,
            reason: exit.reason,
            log_tail: exit.log_tail,
        }),
        fault: stored.fault.map(|fault| Fault { kind: fault.kind.into(), message: fault.message }),
        outdated: stored.outdated,
        started_by: stored.started_by.map(|config| config_of(what, config).map(Box::new)).transpose()?,
        requests_made: stored.requests_made,
        operation: stored.operation.map(operation_of),
    })
}

fn operation_record(operation: &OperationLease) -> OperationRecord {
    let (verb, force) = match operation.verb {
        Verb::Start => (VerbWord::Start, false),
        Verb::Stop { force } => (VerbWord::Stop, force),
        Verb::Restart => (VerbWord::Restart, false),
        Verb::Delete { force } => (VerbWord::Delete, force),
    };
    OperationRecord { verb, force, id: operation.id.clone(), heartbeat: operation.heartbeat }
}

fn operation_of(OperationRecord { verb, force, id, heartbeat }: OperationRecord) -> OperationLease {
    let verb = match verb {
        VerbWord::Start => Verb::Start,
        VerbWord::Stop => Verb::Stop { force },
        VerbWord::Restart => Verb::Restart,
        VerbWord::Delete => Verb::Delete { force },
    };
    OperationLease { verb, id, heartbeat }
}

fn config_record(config: &ActorConfig) -> ConfigRecord {
    let config = config.clone();
    let RestartPolicy { mode, backoff, reset_after, max_restarts, window } = config.restart;
    ConfigRecord {
        version: version_of(&config),
        name: config.name,
        binary: config.binary,
        script_type: config.script_type.as_str().to_owned(),
        queue: config.queue.map(|queue| queue.to_string()),
        args: config.args,
        env: config.env,
        env_from_file: config.env_from_file,
        secret_env: config.secret_env,
        health_check: config.health_check,
        dependencies: config.dependencies,
        working_dir: config.working_dir,
        sha256: config.sha256,
        drain_timeout_ms: span_millis(config.drain_timeout),
        start_timeout_ms: span_millis(config.start_timeout),
        readiness: config.readiness.into(),
        restart: RestartRecord {
            mode: mode.into(),
            initial_backoff_ms: span_millis(backoff.initial()),
            max_backoff_ms: span_millis(backoff.max()),
            reset_after_ms: span_millis(reset_after),
            max_restarts,
            window_ms: span_millis(window),
        },
        labels: config.labels,
        health: config.health.into(),
        confinement: ConfinementRecord::of(config.confinement),
    }
}

fn config_of(what: &str, record: ConfigRecord) -> Result<ActorConfig, StoreFault> {
    check_version(what, record.version)?;
    let script_type = ScriptType::parse(&record.script_type).map_err(|error| corrupt(what, error))?;
    let queue = record.queue.map(|queue| QueueName::parse(&queue)).transpose();
    let queue = queue.map_err(|error| corrupt(what, error))?;
    let RestartRecord { mode, initial_backoff_ms, max_backoff_ms, reset_after_ms, max_restarts, window_ms } =
        record.restart;
    Ok(ActorConfig {
        queue,
        args: record.args,
        env: record.env,
        env_from_file: record.env_from_file,
        secret_env: record.secret_env,
        health_check: record.health_check,
        dependencies: record.dependencies,
        working_dir: record.working_dir,
        sha256: record.sha256,
        drain_timeout: Duration::from_millis(record.drain_timeout_ms),
        start_timeout: Duration::from_millis(record.start_timeout_ms),
        readiness: record.readiness.into(),
        restart: RestartPolicy {
            mode: mode.into(),
            // Older versions have stored a first delay beyond the longest one.
            backoff: Backoff::capped(
                Duration::from_millis(initial_backoff_ms),
                Duration::from_millis(max_backoff_ms),
            ),
            reset_after: Duration::from_millis(reset_after_ms),
            max_restarts,
            window: Duration::from_millis(window_ms),
        },
        labels: record.labels,
        health: record.health.into(),
        confinement: record.confinement.into(),
        ..ActorConfig::new(record.name, record.binary, script_type)
    })
}

/// The exit status of a process from its two fields.
pub(super) fn exit_status(code: Option<i32>, signal: Option<i32>) -> ExitStatus {
    match (code, signal) {
        (Some(code), _) => ExitStatus::Code(code),
        (None, Some(signal)) => ExitStatus::Signal(signal),
        (None, None) => ExitStatus::Unknown,
    }
}

/// Names the record of an actor in errors.
fn what_actor(name: &str) -> String {
    format!("the record of actor {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_that_knows_no_named_queues_leaves_their_actors_alone() {
        let config = ActorConfig::new("big_0".to_owned(), PathBuf::from("/bin/a"), ScriptType::OSIS);
        let version = |config: &ActorConfig| {
            let json: serde_json::Value = serde_json::from_str(&encode_config(config).unwrap()).unwrap();
            (json["version"].as_u64(), json.get("queue").cloned())
        };
        assert_eq!(version(&config), (Some(1), None), "as it was");
        let named = config.with_queue(QueueName::parse("osis-big").unwrap());
        assert_eq!(version(&named), (Some(2), Some("osis-big".into())));
        assert_eq!(decode_config("big_0", &encode_config(&named).unwrap()).unwrap(), named);
    }
}
