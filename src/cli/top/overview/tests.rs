use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::proto::snapshot_item::Item as Part;
use crate::proto::{Bookmark, EventCause, JobSpec, SnapshotItem};

/// One thing that happens in the world.
#[derive(Debug, Clone, Copy)]
enum Step {
    Submit(u8),
    Job(u8, State),
    Forget(u8),
    Actor(u8, i32),
    Remove(u8),
    Pause(bool),
}

/// A server in small: it carries out steps, tells of them by events, and gives a snapshot of itself.
#[derive(Debug, Default)]
struct World {
    second: i64,
    jobs: BTreeMap<String, State>,
    actors: BTreeMap<String, i32>,
    paused: bool,
    told: Vec<Event>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0..5_u8;
    let states = [State::Queued, State::Running, State::RetryWait, State::Succeeded, State::Failed];
    let step = prop_oneof![
        number.clone().prop_map(Step::Submit),
        (number.clone(), proptest::sample::select(states.to_vec())).prop_map(|(job, to)| Step::Job(job, to)),
        number.clone().prop_map(Step::Forget),
        (number.clone(), 1..10_i32).prop_map(|(actor, to)| Step::Actor(actor, to)),
        number.prop_map(Step::Remove),
        any::<bool>().prop_map(Step::Pause),
    ];
    proptest::collection::vec(step, 0..60)
}

impl World {
    fn carry_out(&mut self, step: Step) {
        self.second += 1;
        match step {
            Step::Submit(job) if !self.jobs.contains_key(&format!("j{job}")) => self.job(job, State::Queued),
            Step::Job(job, to)
                if self.jobs.get(&format!("j{job}")).is_some_and(|state| !has_ended(*state)) =>
            {
                self.job(job, to);
            }
            Step::Forget(job) => {
                let job_id = format!("j{job}");
                if self.jobs.remove(&job_id).is_some() {
                    self.tell(Event { job_id, r#type: Type::JobDeleted.into(), ..Event::default() });
                }
            }
            Step::Actor(actor, to) => {
                let actor_id = format!("a{actor}");
                let kind = if self.actors.insert(actor_id.clone(), to).is_some() {
                    let change = crate::proto::ActorStateChange { new_state: to, ..Default::default() };
                    (Type::ActorStateChanged, Some(Detail::ActorStateChange(change)))
                } else {
                    (Type::ActorCreated, None)
                };
                self.tell(Event { actor_id, r#type: kind.0.into(), detail: kind.1, ..Event::default() });
            }
            Step::Remove(actor) => {
                let actor_id = format!("a{actor}");
                if self.actors.remove(&actor_id).is_some() {
                    self.tell(Event { actor_id, r#type: Type::ActorDeleted.into(), ..Event::default() });
                }
            }
            Step::Pause(paused) => {
                self.paused = paused;
                let kind = if paused { Type::QueuePaused } else { Type::QueueResumed };
                let cause = Some(EventCause { reason: "why".to_owned(), ..Default::default() });
                self.tell(Event { script_type: 1, r#type: kind.into(), cause, ..Event::default() });
            }
            Step::Submit(_) | Step::Job(..) => {}
        }
    }

    fn job(&mut self, job: u8, to: State) {
        let job_id = format!("j{job}");
        let old = self.jobs.insert(job_id.clone(), to).unwrap_or(State::Unspecified);
        let change = JobStateChange { old_state: old.into(), new_state: to.into(), attempt: 1, error: None };
        let detail = Some(Detail::JobStateChange(change));
        let kind = Type::JobStateChanged.into();
        self.tell(Event { job_id, script_type: 1, r#type: kind, detail, ..Event::default() });
    }

    fn tell(&mut self, event: Event) {
        let time = Some(Timestamp { seconds: self.second, nanos: 0 });
        self.told.push(Event { time, ..event });
    }

    fn actor(&self, id: &str) -> Option<Actor> {
        let state = *self.actors.get(id)?;
        Some(Actor { actor_id: id.to_owned(), state, ..Actor::default() })
    }

    fn snapshot(&self) -> Vec<WatchEventsResponse> {
        let status = ScriptTypeStatus { script_type: 1, paused: self.paused, ..Default::default() };
        let open = self.jobs.iter().filter(|(_id, state)| !has_ended(**state));
        let jobs = open.map(|(id, state)| {
            let spec = Some(JobSpec { script_type: 1, ..Default::default() });
            Part::Job(Job {
                job_id: id.clone(),
                state: (*state).into(),
                spec,
                attempt: 1,
                ..Default::default()
            })
        });
        let actors = self.actors.keys().filter_map(|id| self.actor(id)).map(Part::Actor);
        let parts = std::iter::once(Part::ScriptType(status)).chain(actors).chain(jobs);
        let item = |part| Item::SnapshotItem(SnapshotItem { item: Some(part) });
        let end = Item::Bookmark(Bookmark { kind: Kind::SnapshotEnd.into(), time: None });
        parts.map(item).chain([end]).map(message).collect()
    }
}

fn message(item: Item) -> WatchEventsResponse {
    WatchEventsResponse { cursor: "c".to_owned(), item: Some(item) }
}

/// Compares what is shown with what lists would show.
fn assert_same(overview: &Overview, world: &World) {
    let shown: Vec<(&str, State)> = overview.jobs.values().map(|job| (job.id.as_str(), job.state)).collect();
    let open = world.jobs.iter().filter(|(_id, state)| !has_ended(**state));
    assert_eq!(shown, open.map(|(id, state)| (id.as_str(), *state)).collect::<Vec<_>>());
    let actors: Vec<(&str, i32)> =
        overview.actors.values().map(|actor| (actor.actor_id.as_str(), actor.state)).collect();
    assert_eq!(actors, world.actors.iter().map(|(id, state)| (id.as_str(), *state)).collect::<Vec<_>>());
    assert_eq!(overview.types[&1].paused, world.paused);
}

proptest! {
    #![proptest_config(crate::properties::config())]

    #[test]
    fn the_fold_of_a_snapshot_and_the_events_after_it_is_what_lists_show(
        before in steps(), after in steps(), overlap in 0..10_usize,
    ) {
        let mut world = World::default();
        before.into_iter().for_each(|step| world.carry_out(step));
        let mut overview = Overview::default();
        let snapshot = world.snapshot();
        // One that breaks off comes again as a whole.
        snapshot.iter().take(2).for_each(|part| overview.fold(part.clone()));
        overview.lost();
        snapshot.into_iter().for_each(|part| overview.fold(part));
        prop_assert!(overview.ready);
        // A snapshot takes a while: it may have what the first events tell once more.
        let from = world.told.len().saturating_sub(overlap);
        after.into_iter().for_each(|step| world.carry_out(step));
        world.told.iter().skip(from).for_each(|event| overview.fold(message(Item::Event(event.clone()))));
        for id in std::mem::take(&mut overview.stale) {
            overview.put_actor(&id, world.actor(&id));
        }
        assert_same(&overview, &world);
        prop_assert!(overview.ended.iter().all(|job| has_ended(job.state)));
    }
}

#[test]
fn ended_jobs_are_kept_up_to_a_bound() {
    let mut overview = Overview::default();
    let mut world = World::default();
    for round in 0..MOST_ENDED + 5 {
        world.jobs.clear();
        world.job(u8::try_from(round % 250).unwrap(), State::Failed);
        let mut event = world.told.pop().unwrap();
        event.job_id = format!("j{round}");
        overview.fold(message(Item::Event(event)));
    }
    assert_eq!((overview.ended.len(), overview.ended[0].id.as_str()), (MOST_ENDED, "j5"));
    overview.expired();
    assert_eq!(overview.cursor, "");
}
