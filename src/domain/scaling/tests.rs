//! The rule book of scaling.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::domain::model::actor::{ActorRecord, ManagedBy, Pid};
use crate::domain::model::health::ActorHealth;
use crate::domain::model::id::NodeName;
use crate::domain::model::script_type::ScriptType;

const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

fn actor(name: &str, desired: Desired, state: ActorState, in_flight: u32, last_job: u64) -> ActorStatus {
    let record = ActorRecord {
        id: ActorId::parse(name).unwrap(),
        node: NodeName::parse("here").unwrap(),
        config: template(name),
        desired,
        managed_by: ManagedBy::User,
        created_at: EPOCH,
        generation: 1,
        restart_count: 0,
        last_pid: None,
        last_exit: None,
        fault: None,
        outdated: false,
        started_by: None,
        requests_made: 0,
        operation: None,
    };
    ActorStatus {
        record,
        state,
        pid: Pid(None),
        message: String::new(),
        state_since: Some(EPOCH),
        started_at: None,
        in_flight,
        last_job_at: Some(EPOCH + Duration::from_secs(last_job)),
        health: ActorHealth::default(),
        usage: None,
    }
}

fn up(name: &str) -> ActorStatus {
    actor(name, Desired::Up, ActorState::Running, 0, 100)
}

fn down(name: &str) -> ActorStatus {
    actor(name, Desired::Down, ActorState::Stopped, 0, 0)
}

fn template(name: &str) -> ActorConfig {
    ActorConfig::new(name.to_owned(), PathBuf::from("/bin/osis_actor"), ScriptType::OSIS)
}

#[track_caller]
fn check(replicas: u32, actors: &[ActorStatus], expected: (&[&str], &[&str], &[&str])) {
    let taken = actors.iter().map(|actor| actor.record.id.clone()).collect();
    let plan = plan(replicas, actors, &template("o_0"), &taken).unwrap();
    let names = |ids: &[ActorId]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&plan.start), expected.0, "start");
    assert_eq!(names(&plan.create), expected.1, "create");
    assert_eq!(names(&plan.remove), expected.2, "remove");
}

#[test]
fn more_are_named_with_the_lowest_free_numbers() {
    check(3, &[], (&[], &["o_0", "o_1", "o_2"], &[]));
    check(3, &[up("o_1")], (&[], &["o_0", "o_2"], &[]));
    check(1, &[up("o_1")], (&[], &[], &[]));
}

#[test]
fn stopped_ones_come_back_before_new_ones_are_made() {
    check(3, &[down("o_10"), down("o_9"), up("o_0")], (&["o_9", "o_10"], &[], &[]));
    check(2, &[down("o_0")], (&["o_0"], &["o_1"], &[]));
}

#[test]
fn fewer_takes_broken_then_idle_longest_then_youngest() {
    let busy = actor("o_0", Desired::Up, ActorState::Running, 1, 0);
    let idle_long = actor("o_1", Desired::Up, ActorState::Running, 0, 5);
    let idle_short = actor("o_2", Desired::Up, ActorState::Running, 0, 50);
    let broken = actor("o_3", Desired::Up, ActorState::Backoff, 0, 500);
    let actors = [busy, idle_long, idle_short, broken];
    check(3, &actors, (&[], &[], &["o_3"]));
    check(0, &actors, (&[], &[], &["o_3", "o_1", "o_2", "o_0"]));
    check(1, &[up("o_9"), up("o_10")], (&[], &[], &["o_10"]));
}

#[test]
fn an_instance_bears_its_own_name_everywhere_and_nothing_else_changes() {
    let mut original = template("o");
    original.args = vec!["--actor-id".to_owned(), "o".to_owned(), "--log=/tmp/o.log".to_owned()];
    original.env.insert("NAME".to_owned(), "o and o-o".to_owned());
    let id = ActorId::parse("o_7").unwrap();
    let copy = instance(&original, &id);
    assert_eq!(copy.name, "o_7");
    assert_eq!(copy.args, ["--actor-id", "o_7", "--log=/tmp/o_7.log"]);
    assert_eq!(copy.env["NAME"], "o_7 and o-o");
    assert_eq!(copy.binary, original.binary);
}

proptest::proptest! {
    #![proptest_config(crate::properties::config())]

    #[test]
    fn the_plan_always_leads_to_the_wanted_number(replicas in 0u32..20, ups in 0usize..10, downs in 0usize..10) {
        let mut actors: Vec<ActorStatus> = (0..ups).map(|n| up(&format!("o_{n}"))).collect();
        actors.extend((0..downs).map(|n| down(&format!("o_{}", n + ups))));
        let taken = actors.iter().map(|actor| actor.record.id.clone()).collect();
        let plan = plan(replicas, &actors, &template("o_0"), &taken).unwrap();
        let after = ups + plan.start.len() + plan.create.len() - plan.remove.len();
        proptest::prop_assert_eq!(after, replicas as usize);
        proptest::prop_assert!(plan.create.iter().all(|id| !taken.contains(id)));
    }
}
