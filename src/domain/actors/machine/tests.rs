//! The machine driven by hand and by chance, without a task, a store or a process.
//!
//! Whatever comes in which order, with answers that are late or lost and another supervisor that writes the same record:
//!
//! 1. at most one operation is under way, and one that is replaced was given up before;
//! 2. nothing is started that the record does not want up, and nothing is stopped that it does not want down;
//! 3. every caller is answered exactly once;
//! 4. a write is made of the very record whose generation it names, and changes only what it is about;
//! 5. the end of a process is told once and counted once at most;
//! 6. at most one call to the process manager and one to reclaim jobs are under way, and as many writes as there are steps
//!    and heartbeats;
//! 7. once the world calms down, the process is as the record wants it, no lease stands in the record, and nobody waits;
//! 8. a machine that closes answers everybody and leaves none of its leases behind.

mod model;
mod world;

use std::time::Duration;

use self::world::{Delivery, World};
use super::protocol::{Answer, Call, Edit, Input, Progress};
use crate::domain::model::actor::{ActorState, Desired, Verb};

const STOP: Verb = Verb::Stop { force: false };
const KILL: Verb = Verb::Stop { force: true };

#[test]
fn a_start_is_read_claimed_begun_recorded_and_answered() {
    let mut world = World::new(Desired::Down);
    world.observe();
    let start = world.request(Verb::Start);
    assert!(matches!(world.only_call(), Call::Read));
    world.deliver(0, Delivery::Arrives);
    let Call::Write(claim) = world.only_call() else { panic!("{:?}", world.only_call()) };
    assert_eq!((claim.desired, claim.operation.as_ref().unwrap().verb), (Desired::Up, Verb::Start));
    assert!(world.operation.is_none(), "not before the lease stands in the record");
    world.deliver(0, Delivery::Arrives);
    world.operation_goes_on();
    world.operation_goes_on();
    world.observe();
    assert_eq!(world.answer_to(start), None, "not before its end is recorded");
    world.deliver(0, Delivery::Arrives);
    assert_eq!(world.answer_to(start), Some(true));
    assert_eq!(world.machine.shown.state, ActorState::Running);
    world.calm();
}

#[test]
fn what_was_stopped_is_not_unknown_before_it_is_looked_at() {
    let mut world = World::new(Desired::Down);
    world.machine.shown.state = ActorState::Stopped;
    world.bring(Input::Tick);
    world.show_record();
    world.deliver_all();
    assert_eq!((world.machine.shown.state, world.states_told), (ActorState::Stopped, 0));
    world.process_manager_is_away(true);
    world.observe();
    assert_eq!((world.machine.shown.state, world.states_told), (ActorState::Unknown, 1));
    world.process_manager_is_away(false);
    world.calm();
    assert_eq!((world.machine.shown.state, world.states_told), (ActorState::Stopped, 2));
}

#[test]
fn a_stop_does_not_wait_for_the_process_manager() {
    let mut world = World::running();
    world.crash();
    world.observe();
    while !matches!(world.only_call(), Call::EndOrphans { .. }) {
        world.deliver(0, Delivery::Arrives);
    }
    // The process manager does not answer.
    let stop = world.request(KILL);
    assert!(matches!(world.last_call(), Call::Read));
    world.deliver_last(Delivery::Arrives);
    world.deliver_last(Delivery::Arrives);
    assert_eq!(world.operation.as_ref().unwrap().plan.verb, KILL);
    world.observe();
    assert!(!matches!(world.last_call(), Call::EndOrphans { .. } | Call::LogTail) || world.calls.len() == 1);
    world.calm();
    assert_eq!(world.answer_to(stop), Some(true));
}

#[test]
fn a_request_in_the_middle_of_a_write_waits_for_it_and_is_decided_by_what_was_written() {
    let mut world = World::running();
    let stop = world.request(STOP);
    world.deliver(0, Delivery::Arrives);
    let again = world.request(STOP);
    let start = world.request(Verb::Start);
    assert_eq!(world.calls.len(), 1, "the lease of the stop is being written");
    world.deliver(0, Delivery::Arrives);
    world.deliver_all();
    assert_eq!(world.operation.as_ref().unwrap().plan.verb, STOP);
    assert!(world.refused.contains(&start), "a stop is under way");
    assert_eq!(world.answer_to(again), None, "it has joined");
    world.calm();
    assert_eq!((world.answer_to(stop), world.answer_to(again)), (Some(true), Some(true)));
}

#[test]
fn a_close_in_the_middle_of_a_claim_leaves_no_lease_behind() {
    let mut world = World::running();
    let stop = world.request(STOP);
    world.deliver(0, Delivery::Arrives);
    world.bring(Input::Close);
    assert_eq!(world.machine.leaving(), None, "what is being written is known first");
    world.deliver(0, Delivery::Arrives);
    assert!(world.machine.leaving().is_some() && world.machine.left().is_none());
    assert!(world.refused.contains(&stop));
    let late = world.request(Verb::Start);
    assert!(world.refused.contains(&late));
    world.deliver(0, Delivery::Arrives);
    assert!(world.machine.left().is_some());
    let record = world.stored.as_ref().unwrap();
    assert_eq!((record.desired, record.operation.as_ref()), (Desired::Down, None));
}

#[test]
fn the_heart_beats_on_while_the_process_manager_does_not_answer() {
    let mut world = World::running();
    let _restart = world.request(Verb::Restart);
    world.deliver_all();
    world.operation_goes_on();
    world.observe();
    let heartbeats = |world: &World| world.stored.as_ref().unwrap().operation.as_ref().unwrap().heartbeat;
    let before = heartbeats(&world);
    for _second in 0..5 {
        world.pass(Duration::from_millis(1100));
        world.deliver_writes();
    }
    assert!(heartbeats(&world) >= before + 4, "{}", heartbeats(&world));
    world.calm();
}

#[test]
fn a_process_whose_start_was_given_up_ends_for_that_reason() {
    for operation_ends_first in [false, true] {
        let mut world = World::new(Desired::Down);
        world.observe();
        world.request(Verb::Start);
        world.deliver_all();
        world.operation_goes_on();
        world.observe();
        world.deliver_all();
        let pid = world.machine.record.last_pid.unwrap();
        let reason = "it was not ready within 3s".to_owned();
        world.bring(Input::Progress(Progress::GivenUp { pid, reason: reason.clone() }));
        world.crash();
        if operation_ends_first {
            world.operation_fails();
            world.deliver_all();
        }
        world.observe();
        world.deliver_all();
        let exit = world.machine.record.last_exit.clone().unwrap();
        assert_eq!((exit.pid, exit.reason), (pid, reason), "{operation_ends_first}");
        assert_eq!(world.machine.record.restart_count, 0, "{operation_ends_first}");
        if !operation_ends_first {
            world.operation_fails();
        }
        world.calm();
    }
}

#[test]
fn a_reader_sees_what_another_supervisor_has_written() {
    let mut world = World::running();
    world.other_supervisor(|record| record.restart_count = 7);
    let reply = world.new_caller();
    world.bring(Input::Edit(Edit::Read { reply }));
    world.deliver_all();
    assert_eq!(world.answer_to(reply), Some(false));
    assert_eq!(world.machine.shown.record.restart_count, 7);
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let mut world = World::running();
    world.crash();
    world.observe();
    let (ticket, _read) = world.calls[0].clone_ticket();
    let stop = world.request(STOP);
    world.bring(Input::Answered(ticket, Answer::Record(Ok(None))));
    assert!(world.machine.leaving().is_none(), "the read of the observation was given up");
    world.calm();
    assert_eq!(world.answer_to(stop), Some(true));
}
