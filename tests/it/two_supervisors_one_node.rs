//! Two supervisors of one node, on one real Redis and one real Zinit: what a rolling upgrade is made of.

use std::collections::BTreeSet;
use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::{DesiredState, State};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::Code;

use crate::support::full_service::{
    Client, FullService, actor, client, command_line, osis, run, span, told, until_actor,
};
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;

const ACTOR: &str = "osis_actor_0";

struct Pair {
    second: Service,
    whole: FullService,
}

impl Pair {
    /// Both see one actor running.
    async fn start() -> Self {
        let whole = FullService::start().await;
        let second = whole.another(&[]).await;
        let pair = Self { second, whole };
        pair.whole.running_actor(ACTOR).await;
        pair.both_agree(State::Running).await;
        pair
    }

    fn clients(&self) -> [Client; 2] {
        [self.whole.client(), client(&self.second)]
    }

    /// Waits until both show the same process, or none, in this state, and it is so.
    async fn both_agree(&self, state: State) -> pb::Actor {
        eventually(&format!("both agree on {state:?}"), LIMIT, || async {
            let [one, other] = self.clients();
            let (one, other) = (actor(&one, ACTOR).await, actor(&other, ACTOR).await);
            let lives = one.pid.is_none_or(|pid| command_line(pid).is_some());
            let agreed = one.state() == state && other.state() == state && one.pid == other.pid && lives;
            agreed.then_some(one)
        })
        .await
    }
}

async fn start(client: &Client) -> Result<pb::StartActorResponse, tonic::Status> {
    let request =
        pb::StartActorRequest { actor_id: ACTOR.to_owned(), max_wait: span(LIMIT), local_only: false };
    client.clone().start_actor(request).await.map(tonic::Response::into_inner)
}

async fn stop(client: &Client, force: bool) -> Result<pb::StopActorResponse, tonic::Status> {
    let request = pb::StopActorRequest {
        actor_id: ACTOR.to_owned(),
        force,
        max_wait: span(LIMIT),
        ..Default::default()
    };
    client.clone().stop_actor(request).await.map(tonic::Response::into_inner)
}

async fn restart(client: &Client) -> Result<pb::RestartActorResponse, tonic::Status> {
    let request =
        pb::RestartActorRequest { actor_id: ACTOR.to_owned(), max_wait: span(LIMIT), ..Default::default() };
    client.clone().restart_actor(request).await.map(tonic::Response::into_inner)
}

/// What was told of the ends of the actor's processes: which, and whether they had been asked for.
async fn ends(client: &Client) -> Vec<(i32, bool)> {
    let request =
        pb::ListEventsRequest { actor_ids: vec![ACTOR.to_owned()], page_size: 1000, ..Default::default() };
    let events = client.clone().list_events(request).await.unwrap().into_inner().events;
    let exits = events.into_iter().filter_map(|event| match event.detail {
        Some(pb::event::Detail::ActorExit(exit)) => Some((exit.pid, exit.requested)),
        _ => None,
    });
    exits.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_one_is_obeyed_right_after_the_contrary_order_to_the_other() {
    let pair = Pair::start().await;
    let clients = pair.clients();
    for turn in 0..6 {
        let (first, other) = (&clients[turn % 2], &clients[(turn + 1) % 2]);
        let stopped = stop(first, false).await.unwrap();
        assert_eq!(stopped.actor.unwrap().state(), State::Stopped);
        sleep(Duration::from_millis(20)).await;
        let started = start(other).await.unwrap();
        assert!(started.changed, "turn {turn}: {started:?}");
        let started = started.actor.unwrap();
        assert!(
            command_line(started.pid()).is_some(),
            "turn {turn}: the process that is told lives: {started:?}"
        );
        sleep(Duration::from_millis(20)).await;
        let stopped = stop(first, false).await.unwrap();
        assert!(stopped.changed, "turn {turn}: {stopped:?}");
        assert_eq!(command_line(started.pid()), None, "turn {turn}");
        // Nobody brings it back.
        sleep(Duration::from_millis(1500)).await;
        let agreed = pair.both_agree(State::Stopped).await;
        assert_eq!((agreed.desired_state(), agreed.restart_count), (DesiredState::Down, 0));
        start(other).await.unwrap();
        pair.both_agree(State::Running).await;
    }
    assert!(ends(&clients[0]).await.iter().all(|(_pid, requested)| *requested));
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_restarts_by_one_are_no_crash_loop_for_the_other() {
    let pair = Pair::start().await;
    let [one, other] = pair.clients();
    let mut pids = BTreeSet::from([actor(&one, ACTOR).await.pid()]);
    for turn in 0..16_u64 {
        let restarted = restart(&other).await.unwrap().actor.unwrap();
        assert_eq!(restarted.state(), State::Running);
        assert!(pids.insert(restarted.pid()), "another process");
        sleep(Duration::from_millis(turn * 131 % 500)).await;
    }
    let agreed = pair.both_agree(State::Running).await;
    assert_eq!((agreed.restart_count, agreed.desired_state()), (0, DesiredState::Up), "{agreed:?}");
    pids.remove(&agreed.pid());
    let told: Vec<(i32, bool)> = ends(&one).await;
    assert!(told.iter().all(|(_pid, requested)| *requested), "{told:?}");
    let told: BTreeSet<i32> = told.into_iter().map(|(pid, _requested)| pid).collect();
    assert_eq!(told, pids, "no process was started beside those of the restarts");
    assert_eq!(run(&one, osis("40 + 2")).await.result(), "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn contradicting_orders_to_both_converge_and_are_refused_for_what_they_are() {
    let pair = Pair::start().await;
    let mut rng = fastrand::Rng::with_seed(5);
    let mut calls = JoinSet::new();
    for _call in 0..60 {
        let client = pair.clients()[rng.usize(..2)].clone();
        let (what, definition) = (rng.u8(..6), pair.whole.definition(ACTOR));
        calls.spawn(async move {
            let mut by = client.clone();
            match what {
                0 => start(&client).await.map(drop),
                1 => stop(&client, false).await.map(drop),
                2 => stop(&client, true).await.map(drop),
                3 => restart(&client).await.map(drop),
                4 => {
                    let id = ACTOR.to_owned();
                    let delete = pb::DeleteActorRequest { actor_id: id, force: true, ..Default::default() };
                    by.delete_actor(delete).await.map(drop)
                }
                _ => by.create_actor(definition).await.map(drop),
            }
        });
        sleep(Duration::from_millis(rng.u64(..150))).await;
    }
    for ended in calls.join_all().await {
        let Err(status) = ended else { continue };
        let told = told(&status);
        let refused = [
            (Code::Aborted, "OPERATION_IN_PROGRESS"),
            (Code::Aborted, "CONFLICT"),
            (Code::NotFound, "ACTOR_NOT_FOUND"),
            // Its process was ended by another order before it was ready.
            (Code::FailedPrecondition, "ACTOR_START_FAILED"),
        ];
        assert!(refused.contains(&told.why()), "{told:?}");
    }
    // One that is there and starts is answered as it is.
    pair.clients()[1].clone().create_actor(pair.whole.definition(ACTOR)).await.unwrap();
    let agreed = pair.both_agree(State::Running).await;
    assert_eq!(agreed.restart_count, 0, "{agreed:?}");
    assert_eq!(pair.whole.services().await, [ACTOR]);
}

#[tokio::test(flavor = "multi_thread")]
async fn supervisors_are_replaced_one_after_the_other_while_an_actor_is_restarted() {
    let mut pair = Pair::start().await;
    for turn in 0..4 {
        let [one, other] = pair.clients();
        let mut restarts = JoinSet::new();
        restarts.spawn(async move {
            let mut done = 0;
            for _restart in 0..4 {
                // Whichever is there; one of them always is.
                for client in [&one, &other] {
                    match restart(client).await {
                        Ok(_) => done += 1,
                        Err(status) => {
                            let allowed = [Code::Unavailable, Code::Aborted, Code::Cancelled, Code::Unknown];
                            assert!(allowed.contains(&status.code()), "{status:?}");
                        }
                    }
                }
            }
            done
        });
        sleep(Duration::from_millis(300)).await;
        // Both ways in which a supervisor goes: told to, and killed in the middle of whatever it is at.
        let signal = if turn < 2 { Signal::SIGTERM } else { Signal::SIGKILL };
        let replaced = if turn % 2 == 0 { &mut pair.whole.service } else { &mut pair.second };
        replaced.signal(signal);
        replaced.ended().await;
        replaced.restart().await;
        assert!(restarts.join_next().await.unwrap().unwrap() >= 4, "one of them is always there");
        let agreed = pair.both_agree(State::Running).await;
        assert_eq!((agreed.restart_count, agreed.desired_state()), (0, DesiredState::Up), "{agreed:?}");
    }
    let [one, other] = pair.clients();
    let told = ends(&one).await;
    assert!(told.iter().all(|(_pid, requested)| *requested), "{told:?}");
    assert!(restart(&other).await.unwrap().changed);
    until_actor(&one, ACTOR, "runs", |actor| actor.state() == State::Running).await;
    assert_eq!(run(&one, osis("40 + 2")).await.result(), "42");
}
