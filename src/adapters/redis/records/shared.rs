//! Records of settings, health and scaling decisions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::flow::{FlowRuleRecord, flow_records, flow_rules};
use super::json::{VERSION, check_version, corrupt, decode, encode, span_micros, span_millis};
use super::shares::SharesRecord;
use super::words::{HealthActionWord, HealthWord, PingOutcomeWord, ScalingModeWord, UnhealthyActionWord};
use super::{millis, time_of};
use crate::domain::model::backoff::Backoff;
use crate::domain::model::health::{
    ActorHealth, HealthPolicy, HealthRecord, HealthSettings, Ping, UnhealthyAction,
};
use crate::domain::model::id::ActorId;
use crate::domain::model::job::RetryPolicy;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::scaling::{ScaleScope, ScalingDecision, ScalingPolicy};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::{JobSettings, ScriptTypeSettings};
use crate::ports::store_fault::StoreFault;

#[derive(Serialize, Deserialize)]
struct SettingsRecord {
    version: u32,
    /// The script type of a named queue; that of a default queue is its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script_type: Option<String>,
    generation: u64,
    scaling: ScalingRecord,
    health: HealthSettingsRecord,
    #[serde(default)]
    job_defaults: JobSettingsRecord,
    max_queue_depth: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    priority_ageing_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    flow: Vec<FlowRuleRecord>,
}

#[derive(Serialize, Deserialize)]
struct ScalingRecord {
    mode: ScalingModeWord,
    /// True for numbers that count over the fleet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fleet: bool,
    replicas: Option<u32>,
    min_replicas: u32,
    max_replicas: u32,
    target_jobs_per_actor: u32,
    max_queue_age_ms: Option<u64>,
    scale_out_delay_ms: u64,
    scale_in_delay_ms: u64,
    scale_to_zero_delay_ms: u64,
    max_step_out: u32,
    max_step_in: u32,
    drain_timeout_ms: Option<u64>,
}

/// The parts of a health policy that are set.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct HealthSettingsRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ping_timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_threshold: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<UnhealthyActionWord>,
}

impl From<HealthSettings> for HealthSettingsRecord {
    fn from(settings: HealthSettings) -> Self {
        Self {
            idle_after_ms: settings.idle_after.map(span_millis),
            ping_timeout_ms: settings.ping_timeout.map(span_millis),
            retry_after_ms: settings.retry_after.map(span_millis),
            failure_threshold: settings.failure_threshold,
            action: settings.action.map(UnhealthyActionWord::from),
        }
    }
}

impl From<HealthSettingsRecord> for HealthSettings {
    fn from(record: HealthSettingsRecord) -> Self {
        Self {
            idle_after: record.idle_after_ms.map(Duration::from_millis),
            ping_timeout: record.ping_timeout_ms.map(Duration::from_millis),
            retry_after: record.retry_after_ms.map(Duration::from_millis),
            failure_threshold: record.failure_threshold,
            action: record.action.map(UnhealthyAction::from),
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct JobSettingsRecord {
    run_timeout_ms: Option<u64>,
    queue_timeout_ms: Option<u64>,
    result_ttl_ms: Option<u64>,
    retry: Option<RetryRecord>,
}

#[derive(Serialize, Deserialize)]
struct RetryRecord {
    max_attempts: u32,
    initial_backoff_ms: u64,
    max_backoff_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredHealth {
    version: u32,
    pid: Option<u32>,
    updated_ms: i64,
    health: HealthWord,
    last_ping: Option<PingRecord>,
    consecutive_failures: u32,
    action: HealthActionWord,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct PingRecord {
    at_ms: i64,
    outcome: PingOutcomeWord,
    round_trip_us: Option<u64>,
    message: String,
}

#[derive(Serialize, Deserialize)]
struct DecisionRecord {
    version: u32,
    at_ms: i64,
    current: u32,
    desired: u32,
    queued: u64,
    running: u64,
    oldest_age_ms: Option<u64>,
    reason: String,
    added: Vec<String>,
    removed: Vec<String>,
    #[serde(default, skip_serializing_if = "SharesRecord::is_empty")]
    shares: SharesRecord,
}

/// Encodes settings with this generation.
pub(in super::super) fn encode_settings(
    settings: &ScriptTypeSettings,
    generation: u64,
) -> Result<String, StoreFault> {
    let ScriptTypeSettings {
        queue,
        script_type,
        scaling,
        health,
        job_defaults,
        max_queue_depth,
        priority_ageing,
        flow,
        generation: _,
    } = settings;
    let HealthPolicy { idle_after, ping_timeout, retry_after, failure_threshold, action } = *health;
    let health = HealthSettings {
        idle_after: Some(idle_after),
        ping_timeout: Some(ping_timeout),
        retry_after: Some(retry_after),
        failure_threshold: Some(failure_threshold),
        action: Some(action),
    };
    let record = SettingsRecord {
        version: VERSION,
        script_type: queue.default_type().is_none().then(|| script_type.as_str().to_owned()),
        generation,
        scaling: ScalingRecord {
            mode: scaling.mode.into(),
            fleet: scaling.scope == ScaleScope::Fleet,
            replicas: scaling.replicas,
            min_replicas: scaling.min_replicas,
            max_replicas: scaling.max_replicas,
            target_jobs_per_actor: scaling.target_jobs_per_actor,
            max_queue_age_ms: scaling.max_queue_age.map(span_millis),
            scale_out_delay_ms: span_millis(scaling.scale_out_delay),
            scale_in_delay_ms: span_millis(scaling.scale_in_delay),
            scale_to_zero_delay_ms: span_millis(scaling.scale_to_zero_delay),
            max_step_out: scaling.max_step_out,
            max_step_in: scaling.max_step_in,
            drain_timeout_ms: scaling.drain_timeout.map(span_millis),
        },
        health: health.into(),
        job_defaults: JobSettingsRecord {
            run_timeout_ms: job_defaults.run_timeout.map(span_millis),
            queue_timeout_ms: job_defaults.queue_timeout.map(span_millis),
            result_ttl_ms: job_defaults.result_ttl.map(span_millis),
            retry: job_defaults.retry.map(|retry| RetryRecord {
                max_attempts: retry.max_attempts,
                initial_backoff_ms: span_millis(retry.backoff.initial()),
                max_backoff_ms: span_millis(retry.backoff.max()),
            }),
        },
        max_queue_depth: *max_queue_depth,
        priority_ageing_ms: priority_ageing.map(span_millis),
        flow: flow_records(flow),
    };
    encode(&what_settings(queue.as_str()), &record)
}

/// Decodes settings.
pub(in super::super) fn decode_settings(word: &str, json: &str) -> Result<ScriptTypeSettings, StoreFault> {
    let what = what_settings(word);
    let queue = QueueName::parse(word).map_err(|error| corrupt(&what, error))?;
    let record: SettingsRecord = decode(&what, json)?;
    let script_type = record.script_type.as_deref().unwrap_or(word);
    let script_type = ScriptType::parse(script_type).map_err(|error| corrupt(&what, error))?;
    check_version(&what, record.version)?;
    let scaling = record.scaling;
    Ok(ScriptTypeSettings {
        queue,
        script_type,
        scaling: ScalingPolicy {
            mode: scaling.mode.into(),
            scope: if scaling.fleet { ScaleScope::Fleet } else { ScaleScope::Node },
            replicas: scaling.replicas,
            min_replicas: scaling.min_replicas,
            max_replicas: scaling.max_replicas,
            target_jobs_per_actor: scaling.target_jobs_per_actor,
            max_queue_age: scaling.max_queue_age_ms.map(Duration::from_millis),
            scale_out_delay: Duration::from_millis(scaling.scale_out_delay_ms),
            scale_in_delay: Duration::from_millis(scaling.scale_in_delay_ms),
            scale_to_zero_delay: Duration::from_millis(scaling.scale_to_zero_delay_ms),
            max_step_out: scaling.max_step_out,
            max_step_in: scaling.max_step_in,
            drain_timeout: scaling.drain_timeout_ms.map(Duration::from_millis),
        },
        health: HealthSettings::from(record.health).over(HealthPolicy::default()),
        job_defaults: JobSettings {
            run_timeout: record.job_defaults.run_timeout_ms.map(Duration::from_millis),
            queue_timeout: record.job_defaults.queue_timeout_ms.map(Duration::from_millis),
            result_ttl: record.job_defaults.result_ttl_ms.map(Duration::from_millis),
            retry: record.job_defaults.retry.map(|retry| RetryPolicy {
                max_attempts: retry.max_attempts,
                backoff: Backoff::capped(
                    Duration::from_millis(retry.initial_backoff_ms),
                    Duration::from_millis(retry.max_backoff_ms),
                ),
            }),
        },
        max_queue_depth: record.max_queue_depth,
        priority_ageing: record.priority_ageing_ms.map(Duration::from_millis),
        flow: flow_rules(record.flow).map_err(|error| corrupt(&what, error))?,
        generation: record.generation,
    })
}

/// Encodes the health of an actor.
pub(in super::super) fn encode_health(record: &HealthRecord) -> Result<String, StoreFault> {
    let HealthRecord { actor_id, pid, updated_at, health } = record;
    let ActorHealth { health, last_ping, consecutive_failures, action, reason } = health.clone();
    let stored = StoredHealth {
        version: VERSION,
        pid: *pid,
        updated_ms: millis(*updated_at),
        health: health.into(),
        last_ping: last_ping.map(|ping| PingRecord {
            at_ms: millis(ping.at),
            outcome: ping.outcome.into(),
            round_trip_us: ping.round_trip.map(span_micros),
            message: ping.message,
        }),
        consecutive_failures,
        action: action.into(),
        reason,
    };
    encode(&what_health(actor_id.as_str()), &stored)
}

/// Decodes the health of an actor.
pub(in super::super) fn decode_health(id: &str, json: &str) -> Result<HealthRecord, StoreFault> {
    let what = what_health(id);
    let actor_id = ActorId::parse(id).map_err(|error| corrupt(&what, error))?;
    let stored: StoredHealth = decode(&what, json)?;
    check_version(&what, stored.version)?;
    Ok(HealthRecord {
        actor_id,
        pid: stored.pid,
        updated_at: time_of(stored.updated_ms),
        health: ActorHealth {
            health: stored.health.into(),
            last_ping: stored.last_ping.map(|ping| Ping {
                at: time_of(ping.at_ms),
                outcome: ping.outcome.into(),
                round_trip: ping.round_trip_us.map(Duration::from_micros),
                message: ping.message,
            }),
            consecutive_failures: stored.consecutive_failures,
            action: stored.action.into(),
            reason: stored.reason,
        },
    })
}

/// Encodes a scaling decision.
pub(in super::super) fn encode_decision(decision: &ScalingDecision) -> Result<String, StoreFault> {
    let ids = |ids: &[ActorId]| ids.iter().map(ActorId::to_string).collect();
    let record = DecisionRecord {
        version: VERSION,
        at_ms: millis(decision.at),
        current: decision.current,
        desired: decision.desired,
        queued: decision.queued,
        running: decision.running,
        oldest_age_ms: decision.oldest_age.map(span_millis),
        reason: decision.reason.clone(),
        added: ids(&decision.added),
        removed: ids(&decision.removed),
        shares: (&decision.shares).into(),
    };
    encode(DECISION, &record)
}

/// Decodes a scaling decision.
pub(in super::super) fn decode_decision(json: &str) -> Result<ScalingDecision, StoreFault> {
    let record: DecisionRecord = decode(DECISION, json)?;
    check_version(DECISION, record.version)?;
    let ids = |ids: Vec<String>| {
        let parsed = ids.iter().map(|id| ActorId::parse(id).map_err(|error| corrupt(DECISION, error)));
        parsed.collect::<Result<Vec<ActorId>, StoreFault>>()
    };
    Ok(ScalingDecision {
        at: time_of(record.at_ms),
        current: record.current,
        desired: record.desired,
        queued: record.queued,
        running: record.running,
        oldest_age: record.oldest_age_ms.map(Duration::from_millis),
        reason: record.reason,
        added: ids(record.added)?,
        removed: ids(record.removed)?,
        shares: record.shares.into(),
    })
}

const DECISION: &str = "the last scaling decision";

/// Names settings in errors.
fn what_settings(word: &str) -> String {
    format!("the settings of script type {word}")
}

/// Names health in errors.
fn what_health(id: &str) -> String {
    format!("the health of actor {id}")
}
