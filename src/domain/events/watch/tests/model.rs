//! Whatever happens in whatever order: each watcher sees exactly the events after its cursor, in order, once, or is told
//! why not; and nobody is left deaf.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::FutureExt;
use proptest::prelude::*;
use tokio::time::timeout;

use super::super::NextEvents;
use super::log::{ScriptedLog, event};
use super::{EventHub, EventWatch, hub};
use crate::domain::model::event::cursor::{Cursor, EventStream, Position};
use crate::domain::model::event::filter::EventFilter;
use crate::domain::model::event::{Severity, Topic};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::ports::event_log::Logged;

const STREAMS: [EventStream; 3] = [
    EventStream::Control,
    EventStream::Jobs(QueueName::DEFAULTS[0]),
    EventStream::Jobs(QueueName::DEFAULTS[1]),
];
/// After this long without an event nothing is on its way any more.
const QUIET: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
enum Step {
    Append {
        stream: usize,
        count: usize,
    },
    /// Begins a watch: behind one of the cursors seen so far, or now.
    Open {
        filter: usize,
        cursor: Option<prop::sample::Index>,
        in_runs: bool,
    },
    Close(prop::sample::Index),
    /// Takes so many events, as far as they are there.
    Take(prop::sample::Index, usize),
    /// Asks for an event, and goes away at once.
    Ask(prop::sample::Index),
    /// A watcher takes nothing for long.
    Pause(prop::sample::Index),
    Away(bool),
    Trim {
        stream: usize,
        keep: usize,
    },
    /// Lets the reader have so many turns.
    Turns(usize),
    /// Lets time pass.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let stream = 0..STREAMS.len();
    prop_oneof![
        6 => (stream.clone(), 1..12_usize).prop_map(|(stream, count)| Step::Append { stream, count }),
        4 => (0..4_usize, any::<Option<prop::sample::Index>>(), any::<bool>())
            .prop_map(|(filter, cursor, in_runs)| Step::Open { filter, cursor, in_runs }),
        2 => any::<prop::sample::Index>().prop_map(Step::Close),
        6 => (any::<prop::sample::Index>(), 1..20_usize).prop_map(|(watch, count)| Step::Take(watch, count)),
        3 => any::<prop::sample::Index>().prop_map(Step::Ask),
        1 => any::<prop::sample::Index>().prop_map(Step::Pause),
        2 => any::<bool>().prop_map(Step::Away),
        1 => (stream, 0..10_usize).prop_map(|(stream, keep)| Step::Trim { stream, keep }),
        4 => (1..30_usize).prop_map(Step::Turns),
        3 => (1..4_000_u64).prop_map(Step::Wait),
    ]
}

fn filter(number: usize) -> EventFilter {
    let of = |topics, script_types| EventFilter { topics, script_types, ..EventFilter::default() };
    match number {
        0 => EventFilter::default(),
        1 => of(vec![Topic::Job], vec![ScriptType::OSIS, ScriptType::SAL]),
        2 => of(vec![Topic::Job], vec![ScriptType::SAL]),
        _warnings => EventFilter { min_severity: Some(Severity::Warning), ..EventFilter::default() },
    }
}

struct Watching {
    watch: EventWatch,
    /// True if it takes events in runs where others can have the same.
    in_runs: bool,
    filter: usize,
    /// Cursor up to which everything was seen, by the count of the model.
    own: Cursor,
    paused: bool,
    /// The log was away while it watched.
    excused: bool,
}

impl Watching {
    /// Waits for the next event, or for the next run of them.
    async fn next(&mut self) -> Result<Vec<(EventStream, Position)>, SupervisorError> {
        let one = |logged: &Logged| vec![(logged.stream, logged.position)];
        if !self.in_runs {
            return self.watch.next().await.map(|logged| one(&logged));
        }
        Ok(match self.watch.next_events().await? {
            NextEvents::One(logged) => one(&logged),
            NextEvents::Run(run) => {
                assert_eq!(
                    run.events().last().map(|(cursor, _last)| cursor),
                    Some(self.watch.cursor().clone())
                );
                run.events().map(|(_cursor, logged)| (logged.stream, logged.position)).collect()
            }
        })
    }
}

struct Model {
    log: ScriptedLog,
    hub: EventHub,
    /// Events that ever happened.
    history: BTreeMap<EventStream, Vec<Position>>,
    /// Up to where each stream was forgotten.
    trimmed: Cursor,
    away: bool,
    cursors: Vec<(usize, Cursor)>,
    watching: Vec<Watching>,
}

impl Model {
    fn new() -> Self {
        let log = ScriptedLog::new();
        let hub = hub(&log);
        Self {
            log,
            hub,
            history: BTreeMap::new(),
            trimmed: Cursor::default(),
            away: false,
            cursors: Vec::new(),
            watching: Vec::new(),
        }
    }

    /// Returns the positions of a stream behind a place that a filter lets through.
    fn wanted(&self, stream: EventStream, filter: usize, after: Position) -> impl Iterator<Item = Position> {
        let filter = self::filter(filter);
        let all = self.history.get(&stream).into_iter().flatten().copied();
        all.filter(move |at| *at > after && filter.lets_through(&event(stream, *at).event))
    }

    fn is_trimmed(&self, cursor: &Cursor) -> bool {
        cursor.iter().any(|(stream, at)| self.trimmed.get(stream).is_some_and(|trimmed| trimmed > at))
    }

    /// Checks that a watch may end like this.
    fn check_end(&self, own: &Cursor, paused: bool, excused: bool, error: &SupervisorError) {
        let expired = matches!(error, SupervisorError::CursorExpired { .. }) && self.is_trimmed(own);
        let too_slow = matches!(error, SupervisorError::ConsumerTooSlow { .. }) && paused;
        let away = matches!(error, SupervisorError::QueueUnavailable(_)) && excused;
        let legitimate = expired || too_slow || away;
        assert!(legitimate, "a watch at {own:?} ended: {error:?}");
    }

    async fn open(&mut self, number: usize, cursor: Option<prop::sample::Index>, in_runs: bool) {
        let fitting: Vec<Cursor> =
            self.cursors.iter().filter(|(known, _)| *known == number).map(|(_, at)| at.clone()).collect();
        let from = cursor.filter(|_| !fitting.is_empty()).map(|index| index.get(&fitting).clone());
        match self.hub.watch(filter(number), from.clone()).await {
            Ok(watch) => {
                let own = watch.cursor().clone();
                if let Some(from) = from {
                    assert_eq!(own, from);
                }
                self.cursors.push((number, own.clone()));
                let excused = self.away;
                self.watching.push(Watching { watch, in_runs, filter: number, own, paused: false, excused });
            }
            Err(error) => {
                let away = self.away;
                self.check_end(&from.unwrap_or_default(), false, away, &error);
            }
        }
    }

    /// Takes events until none comes for a while; without time_limit, asks once.
    async fn take(&mut self, index: usize, count: usize, time_limit: Option<Duration>) {
        for _event in 0..count {
            let next = self.watching[index].next();
            let next = match time_limit {
                Some(time_limit) => timeout(time_limit, next).await.ok(),
                None => next.now_or_never(),
            };
            let Some(next) = next else { return self.check_cursor(index) };
            match next {
                Ok(taken) => {
                    for (stream, position) in taken {
                        let Watching { filter, own, .. } = &self.watching[index];
                        let before = own.get(stream).expect("of a stream that it watches");
                        let expected = self.wanted(stream, *filter, before).next();
                        assert_eq!(Some(position), expected, "after {before} of {stream:?}");
                        self.watching[index].own.set(stream, position);
                    }
                    self.check_cursor(index);
                }
                Err(error) => {
                    let Watching { own, paused, excused, watch, .. } = self.watching.remove(index);
                    assert!(watch.cursor().has_reached(&own));
                    return self.check_end(watch.cursor(), paused, excused, &error);
                }
            }
        }
    }

    /// Checks that the cursor lies behind the events that were seen and before those that are missing.
    fn check_cursor(&mut self, index: usize) {
        let Watching { watch, filter, own, .. } = &self.watching[index];
        for (stream, at) in watch.cursor().iter() {
            let seen = own.get(stream).expect("the same streams");
            assert!(at >= seen, "{stream:?}: the cursor {at} lies before {seen}");
            let skipped = self.wanted(stream, *filter, seen).find(|wanted| *wanted <= at);
            assert_eq!(skipped, None, "the cursor {at} of {stream:?} stepped over it");
        }
        self.cursors.push((*filter, watch.cursor().clone()));
    }

    async fn step(&mut self, step: Step) {
        let pick = |index: prop::sample::Index, of: &[Watching]| {
            if of.is_empty() { None } else { Some(index.index(of.len())) }
        };
        match step {
            Step::Append { stream, count } => {
                let places = self.log.append(STREAMS[stream], count);
                self.history.entry(STREAMS[stream]).or_default().extend(places);
            }
            Step::Open { filter, cursor, in_runs } => self.open(filter, cursor, in_runs).await,
            Step::Close(index) => {
                if let Some(index) = pick(index, &self.watching) {
                    self.watching.remove(index);
                }
            }
            Step::Take(index, count) => {
                if let Some(index) = pick(index, &self.watching) {
                    self.take(index, count, Some(Duration::from_millis(50))).await;
                }
            }
            Step::Ask(index) => {
                if let Some(index) = pick(index, &self.watching) {
                    self.take(index, 1, None).await;
                }
            }
            Step::Pause(index) => {
                if let Some(index) = pick(index, &self.watching) {
                    self.watching[index].paused = true;
                    self.watching[index].watch.note_pause(super::super::STALL_LIMIT);
                }
            }
            Step::Away(away) => {
                self.away = away;
                self.log.set_away(away);
                self.watching.iter_mut().for_each(|watching| watching.excused |= away);
            }
            Step::Trim { stream, keep } => {
                if let Some(upto) = self.log.trim(STREAMS[stream], keep) {
                    self.trimmed.set(STREAMS[stream], upto);
                }
            }
            Step::Turns(turns) => {
                for _turn in 0..turns {
                    tokio::task::yield_now().await;
                }
            }
            Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
        assert!(self.hub.shared.lock().ring.is_whole());
    }

    /// Ends the run: with the log there again, every watcher sees all that is left, and what happens now.
    async fn finish(mut self) {
        self.step(Step::Away(false)).await;
        for number in 0..4 {
            self.open(number, None, number % 2 == 0).await;
        }
        for round in 0..2 {
            let mut index = 0;
            while index < self.watching.len() {
                let before = self.watching.len();
                self.take(index, usize::MAX, Some(QUIET)).await;
                if self.watching.len() < before {
                    continue;
                }
                let Watching { own, filter, .. } = &self.watching[index];
                for (stream, at) in own.iter() {
                    let missing: Vec<Position> = self.wanted(stream, *filter, at).collect();
                    assert!(missing.is_empty(), "round {round}: never came, of {stream:?}: {missing:?}");
                }
                index += 1;
            }
            let living: BTreeSet<usize> = self.watching.iter().map(|watching| watching.filter).collect();
            assert_eq!(living.len(), 4, "those that began just now live");
            for stream in 0..STREAMS.len() {
                self.step(Step::Append { stream, count: 4 }).await;
            }
        }
    }
}

proptest! {
    #![proptest_config(crate::properties::cases(120))]

    #[test]
    fn every_watcher_sees_what_comes_after_its_cursor_in_order_and_once(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let mut model = Model::new();
            for step in steps {
                model.step(step).await;
            }
            model.finish().await;
        });
    }
}
