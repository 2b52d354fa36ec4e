//! Random lives of one machine.

use std::time::Duration;

use proptest::prelude::*;

use super::world::{Delivery, World};
use crate::domain::actors::machine::protocol::{Edit, Input};
use crate::domain::model::actor::{Desired, OperationLease, Verb};
use crate::domain::model::event::Source;

/// Lives, and steps of each at most.
const LIVES: u32 = 1_000;
const STEPS: usize = 120;

/// A step of the model.
#[derive(Debug, Clone)]
enum Step {
    Request(Verb),
    /// Another definition is written, made from the etag that stands in the store or from another one.
    Define {
        current: bool,
    },
    Read,
    /// The record as it is stored is shown to the machine, or that there is none.
    Shown,
    Deliver(usize, Delivery),
    OperationGoesOn,
    OperationFails,
    Crash,
    ProcessManagerRestartsIt,
    ProcessManagerIsAway(bool),
    ProcessManagerIsReplaced,
    ObservationsAreLate(bool),
    BeginObservation,
    EndObservation,
    Pass(u64),
    OtherClaims(Verb),
    OtherSendsHeartbeat,
    OtherEnds,
    OtherEndsProcess,
    OtherRecordsEnd,
    OtherDeletes,
    /// Answers everything for some rounds.
    Settle(usize),
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        4 => Just(Verb::Start),
        4 => any::<bool>().prop_map(|force| Verb::Stop { force }),
        2 => Just(Verb::Restart),
        1 => any::<bool>().prop_map(|force| Verb::Delete { force }),
    ]
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        10 => Just(Delivery::Arrives),
        1 => Just(Delivery::AnswerIsLost),
        1 => Just(Delivery::Fails),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => verb().prop_map(Step::Request),
        1 => any::<bool>().prop_map(|current| Step::Define { current }),
        1 => Just(Step::Read),
        1 => Just(Step::Shown),
        30 => (0..4_usize, delivery()).prop_map(|(index, delivery)| Step::Deliver(index, delivery)),
        12 => Just(Step::OperationGoesOn),
        1 => Just(Step::OperationFails),
        6 => Just(Step::Crash),
        4 => Just(Step::ProcessManagerRestartsIt),
        1 => any::<bool>().prop_map(Step::ProcessManagerIsAway),
        1 => Just(Step::ProcessManagerIsReplaced),
        2 => any::<bool>().prop_map(Step::ObservationsAreLate),
        8 => Just(Step::BeginObservation),
        8 => Just(Step::EndObservation),
        6 => (1..3_000_u64).prop_map(Step::Pass),
        2 => verb().prop_map(Step::OtherClaims),
        2 => Just(Step::OtherSendsHeartbeat),
        2 => Just(Step::OtherEnds),
        2 => Just(Step::OtherEndsProcess),
        3 => Just(Step::OtherRecordsEnd),
        1 => Just(Step::OtherDeletes),
        8 => (1..6_usize).prop_map(Step::Settle),
    ]
}

fn live(world: &mut World, step: &Step, number: usize) {
    match step {
        Step::Request(verb) => drop(world.request(*verb)),
        Step::Define { current } => define(world, *current, number),
        Step::Read => {
            let reply = world.new_caller();
            world.bring(Input::Edit(Edit::Read { reply }));
        }
        Step::Shown => world.show_record(),
        Step::Deliver(index, delivery) => {
            if !world.calls.is_empty() {
                world.deliver(index % world.calls.len(), *delivery);
            }
        }
        Step::OperationGoesOn => world.operation_goes_on(),
        Step::OperationFails => world.operation_fails(),
        Step::Crash => world.crash(),
        Step::ProcessManagerRestartsIt => world.process_manager_restarts_it(),
        Step::ProcessManagerIsAway(away) => world.process_manager_is_away(*away),
        Step::ProcessManagerIsReplaced => world.process_manager_is_replaced(),
        Step::ObservationsAreLate(late) => world.observations_are_late = *late,
        Step::BeginObservation => world.begin_observation(),
        Step::EndObservation => world.end_observation(),
        Step::Pass(millis) => world.pass(Duration::from_millis(*millis)),
        Step::OtherClaims(verb) => world.other_supervisor(|record| {
            let id = format!("another-{number}");
            record.operation = Some(OperationLease { verb: *verb, id, heartbeat: 0 });
            record.desired = verb.desired();
            record.requests_made += 1;
            record.fault = None;
        }),
        Step::OtherSendsHeartbeat => world.other_supervisor(|record| {
            if let Some(lease) = record.operation.as_mut().filter(|lease| lease.id.starts_with("another")) {
                lease.heartbeat += 1;
            }
        }),
        Step::OtherEnds => world.other_supervisor(|record| {
            record.operation = record.operation.take().filter(|lease| !lease.id.starts_with("another"));
        }),
        Step::OtherEndsProcess => world.other_ends_process(),
        Step::OtherRecordsEnd => world.other_records_end(),
        Step::OtherDeletes => world.remove_record(),
        Step::Settle(rounds) => world.settle(*rounds),
    }
}

fn define(world: &mut World, current: bool, number: usize) {
    let Some(record) = world.stored.clone() else { return };
    let reply = world.new_caller();
    let etag = if current { record.etag() } else { "another".to_owned() };
    let config = Box::new(record.config.with_args(vec![number.to_string()]));
    world.bring(Input::Edit(Edit::Define { etag, config, cause: Source::Caller.into(), reply }));
}

proptest! {
    #![proptest_config(crate::properties::cases(LIVES))]

    #[test]
    fn whatever_happens_the_machine_keeps_its_promises_and_comes_to_rest(
        up in any::<bool>(),
        steps in prop::collection::vec(step(), 1..STEPS),
    ) {
        let mut world = World::new(if up { Desired::Up } else { Desired::Down });
        for (number, step) in steps.iter().enumerate() {
            live(&mut world, step, number);
        }
        world.calm();
    }

    #[test]
    fn whenever_it_closes_everybody_is_answered_and_no_lease_is_left(
        up in any::<bool>(),
        steps in prop::collection::vec(step(), 1..STEPS),
    ) {
        let mut world = World::new(if up { Desired::Up } else { Desired::Down });
        for (number, step) in steps.iter().enumerate() {
            live(&mut world, step, number);
        }
        world.bring(Input::Close);
        world.deliver_all();
        prop_assert!(world.machine.left().is_some());
        world.check_everybody_is_answered();
        let lease = world.stored.as_ref().and_then(|record| record.operation.as_ref());
        let is_ours = |lease: &&OperationLease| lease.id.starts_with("ours");
        // One whose write came to nothing, or was answered by nothing, is given up by others.
        let left = lease.filter(is_ours).filter(|lease| !world.lost_leases.contains(&lease.id));
        prop_assert!(left.is_none(), "{left:?}");
    }
}
