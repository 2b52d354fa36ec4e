//! Rules, verdicts, decisions, usage and turns.

use std::time::{Duration, SystemTime};

use hero_supervisor::ScriptType;
use hero_supervisor::domain::model::actor::ActorConfig;
use hero_supervisor::domain::model::backoff::Backoff;
use hero_supervisor::domain::model::health::{
    ActorHealth, Health, HealthAction, HealthPolicy, HealthRecord, Ping, PingOutcome, UnhealthyAction,
};
use hero_supervisor::domain::model::id::NodeName;
use hero_supervisor::domain::model::job::RetryPolicy;
use hero_supervisor::domain::model::queue_name::{QueueName, TypedQueue};
use hero_supervisor::domain::model::scaling::{
    NodeShare, ScaleScope, ScalingDecision, ScalingMode, ScalingPolicy, Shares,
};
use hero_supervisor::domain::model::settings::{JobSettings, ScriptTypeSettings};
use hero_supervisor::domain::model::usage::{ActorUsage, Usage};
use hero_supervisor::ports::shared_store::USAGE_POINTS;

use super::queue_contract::{Kind, OSIS, actor_id};

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn share(node: &str, replicas: u32, present: bool, fault: &str) -> NodeShare {
    NodeShare { node: NodeName::parse(node).unwrap(), replicas, present, fault: fault.to_owned() }
}

pub(super) async fn rules_are_kept_by_who_has_read_them_last(kind: Kind) {
    let bench = kind.bench().await;
    let store = bench.store();
    assert_eq!(store.settings().await.unwrap(), []);
    let backoff = Backoff::new(seconds(3), seconds(4)).unwrap();
    let rules = ScriptTypeSettings {
        scaling: ScalingPolicy {
            mode: ScalingMode::Auto,
            scope: ScaleScope::Fleet,
            replicas: Some(0),
            min_replicas: 1,
            max_replicas: 2,
            target_jobs_per_actor: 3,
            max_queue_age: Some(seconds(4)),
            scale_out_delay: seconds(5),
            scale_in_delay: seconds(6),
            scale_to_zero_delay: seconds(7),
            max_step_out: 8,
            max_step_in: 9,
            drain_timeout: Some(seconds(10)),
        },
        health: HealthPolicy {
            idle_after: seconds(1),
            ping_timeout: seconds(2),
            retry_after: seconds(3),
            failure_threshold: 4,
            action: UnhealthyAction::ReportOnly,
        },
        job_defaults: JobSettings {
            run_timeout: Some(seconds(1)),
            queue_timeout: Some(seconds(2)),
            result_ttl: Some(seconds(3)),
            retry: Some(RetryPolicy { max_attempts: 5, backoff }),
        },
        max_queue_depth: Some(0),
        priority_ageing: Some(seconds(6)),
        ..ScriptTypeSettings::new(OSIS)
    };
    assert!(store.put_settings(&rules).await.unwrap());
    assert!(!store.put_settings(&rules).await.unwrap(), "somebody has written them since");
    let kept = store.settings().await.unwrap();
    assert_eq!(kept, [ScriptTypeSettings { generation: 1, ..rules }]);
    assert!(
        store.put_settings(&ScriptTypeSettings { max_queue_depth: None, ..kept[0].clone() }).await.unwrap()
    );
    assert!(store.put_settings(&ScriptTypeSettings::new(ScriptType::SAL)).await.unwrap());
    let mut both = store.settings().await.unwrap();
    both.sort_by_key(|rules| rules.script_type);
    assert_eq!((both.len(), both[0].generation, both[0].max_queue_depth), (2, 2, None));
}

pub(super) async fn a_named_queue_has_settings_and_a_template_until_it_is_forgotten(kind: Kind) {
    let bench = kind.bench().await;
    let (store, other) = (bench.store(), bench.store());
    let queue = TypedQueue { name: QueueName::parse("v-2").unwrap(), script_type: ScriptType::V };
    let rules = ScriptTypeSettings { max_queue_depth: Some(5), ..ScriptTypeSettings::new(queue) };
    assert_eq!(other.settings().await.unwrap(), []);
    assert!(store.put_settings(&rules).await.unwrap());
    assert!(!store.put_settings(&rules).await.unwrap(), "somebody has written them since");
    let kept = [ScriptTypeSettings { generation: 1, ..rules }];
    assert_eq!(other.settings().await.unwrap(), kept);
    assert_eq!(store.settings().await.unwrap(), kept);
    let template = ActorConfig::new("v-2_actor_0".to_owned(), "/bin/v_actor".into(), ScriptType::V);
    let template = template.with_queue(queue.name);
    store.set_template(&template, false).await.unwrap();
    assert_eq!(other.template(queue.name).await.unwrap(), Some(template));
    assert_eq!(other.template(ScriptType::V.into()).await.unwrap(), None);
    store.forget_queue(queue.name).await.unwrap();
    assert_eq!(other.settings().await.unwrap(), []);
    assert_eq!(other.template(queue.name).await.unwrap(), None);
}

pub(super) async fn verdicts_and_decisions_read_as_they_were_written(kind: Kind) {
    let bench = kind.bench().await;
    let store = bench.store();
    let record = HealthRecord {
        actor_id: actor_id("osis_actor_0"),
        pid: Some(41),
        updated_at: at(12_345),
        health: ActorHealth {
            health: Health::Degraded,
            last_ping: Some(Ping {
                at: at(12_000),
                outcome: PingOutcome::TimedOut,
                round_trip: Some(Duration::from_micros(777)),
                message: "silence".to_owned(),
            }),
            consecutive_failures: 2,
            action: HealthAction::Pinged,
            reason: "silence".to_owned(),
        },
    };
    store.put_health(&record).await.unwrap();
    assert_eq!(store.healths().await.unwrap(), [record]);
    store.remove(&actor_id("osis_actor_0")).await.unwrap();
    assert_eq!(store.healths().await.unwrap(), [], "it goes with the actor");

    let decision = ScalingDecision {
        at: at(1),
        current: 1,
        desired: 3,
        queued: 9,
        running: 1,
        oldest_age: Some(seconds(4)),
        reason: "work".to_owned(),
        added: vec![actor_id("a"), actor_id("b")],
        removed: Vec::new(),
        shares: Shares {
            nodes: vec![
                share("a", 1, true, ""),
                share("b", 0, true, "its program is missing"),
                share("c", 1, false, ""),
            ],
            unplaced: 1,
        },
    };
    store.put_decision(ScriptType::V.into(), &decision).await.unwrap();
    assert_eq!(store.decisions().await.unwrap(), [(ScriptType::V.into(), decision)]);
}

pub(super) async fn usage_is_kept_for_its_time_and_its_points_for_a_day(kind: Kind) {
    let bench = kind.bench().await;
    let (store, other) = (bench.store(), bench.store());
    let usage = |second: u64, cpu: Option<u32>| Usage {
        at: at(second * 1000),
        cpu_millicores: cpu,
        memory_bytes: 5 << 30,
        open_files: cpu,
        threads: 7,
        processes: 2,
    };
    let told = |name: &str| ActorUsage {
        actor_id: actor_id(name),
        script_type: ScriptType::SAL,
        usage: usage(12, Some(250)),
    };
    let (here, there) = (NodeName::parse("here").unwrap(), NodeName::parse("there").unwrap());
    assert_eq!(store.usage(&here).await.unwrap(), []);
    let term = Duration::from_millis(300);
    store.put_usage(&here, &[told("a"), told("b")], Duration::from_secs(60)).await.unwrap();
    store.put_usage(&there, &[told("c")], term).await.unwrap();
    assert_eq!(other.usage(&here).await.unwrap(), [told("a"), told("b")]);
    store.put_usage(&here, &[], Duration::from_secs(60)).await.unwrap();
    assert_eq!(other.usage(&here).await.unwrap(), []);
    tokio::time::sleep(term * 2).await;
    assert_eq!(other.usage(&there).await.unwrap(), [], "nobody tells it any more");

    // Two days of points of five minutes; one is written by two supervisors.
    let actor = actor_id("a");
    for number in 0..USAGE_POINTS * 2 {
        store.put_usage_point(&actor, &usage(number * 300, None)).await.unwrap();
    }
    let last = usage((USAGE_POINTS * 2 - 1) * 300, Some(9));
    other.put_usage_point(&actor, &last).await.unwrap();
    let kept = store.usage_points(&actor, at(0)).await.unwrap();
    assert_eq!((kept.len() as u64, kept[0], kept.last()), (USAGE_POINTS, usage(86_400, None), Some(&last)));
    assert!(kept.is_sorted_by_key(|point| point.at));
    let after = store.usage_points(&actor, kept[280].at).await.unwrap();
    assert_eq!(after, kept[281..]);
    assert_eq!(store.usage_points(&actor_id("b"), at(0)).await.unwrap(), []);
}

pub(super) async fn one_at_a_time_has_the_turn_of_a_node(kind: Kind) {
    let bench = kind.bench().await;
    let (store, other) = (bench.store(), bench.store());
    let (here, there) = (NodeName::parse("here").unwrap(), NodeName::parse("there").unwrap());
    let term = Duration::from_millis(300);
    assert!(store.lead(&here, "a", term).await.unwrap());
    assert!(store.lead(&here, "a", term).await.unwrap(), "it can be kept");
    assert!(!other.lead(&here, "b", term).await.unwrap());
    assert!(other.lead(&there, "b", term).await.unwrap(), "another node is another turn");
    other.step_down(&here, "b").await.unwrap();
    assert!(!other.lead(&here, "b", term).await.unwrap(), "only who has it can give it back");
    store.step_down(&here, "a").await.unwrap();
    assert!(other.lead(&here, "b", term).await.unwrap());
    tokio::time::sleep(term * 2).await;
    assert!(store.lead(&here, "a", term).await.unwrap(), "it ends by itself");
}
