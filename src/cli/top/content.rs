//! Rows of the overview: the tables, with what each row is about.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::overview::{LiveJob, Overview, has_ended};
use super::view::{Rows, Subject};
use crate::cli::table::{Cell, Column, Table, short_ids};
use crate::cli::values::{age, or_dash, script_type_word, short, word};
use crate::cli::{queue, usage};
use crate::proto::actor::{DesiredState, Health, State as ActorState};
use crate::proto::job::State;
use crate::proto::{Actor, ActorConfig, ScriptTypeStatus};

/// Most rows of jobs: more than anybody scrolls through.
const MOST_JOBS: usize = 500;

/// The rows that are shown of the overview.
pub(super) struct Content {
    pub(super) tables: [Table; 3],
    pub(super) rows: Rows,
    pub(super) subjects: [Vec<Subject>; 3],
    /// One sentence on all of it, filter or not.
    pub(super) sum: String,
}

/// Counts of the jobs of a queue.
#[derive(Debug, Clone, Copy, Default)]
struct Depth {
    queued: i32,
    running: i32,
    delayed: i32,
    oldest: Option<prost_types::Timestamp>,
}

impl Content {
    /// Collects the rows that contain the filter.
    pub(super) fn of(overview: &Overview, filter: &str, now: SystemTime) -> Self {
        let (depths, in_flight) = counts(overview);
        let filter = filter.to_lowercase();
        let wanted = |text: &str| filter.is_empty() || text.to_lowercase().contains(&filter);
        let defaults =
            overview.types.values().map(|status| queue_of(overview, status, &depths, &in_flight, now));
        let queues: Vec<ScriptTypeStatus> = defaults
            .chain(overview.named.iter().cloned())
            .filter(|status| wanted(&queue::name(status)))
            .collect();
        let actors: Vec<&Actor> = overview
            .actors
            .values()
            .filter(|actor| {
                let script_type = actor.config.as_ref().map_or(0, |config| config.script_type);
                let state = word(actor.state().as_str_name(), "STATE_");
                let (type_word, message) = (script_type_word(script_type), &actor.status_message);
                wanted(&format!("{} {type_word} {state} {} {message}", actor.actor_id, actor.node))
            })
            .collect();
        let jobs = jobs_of(overview, wanted);
        Self {
            sum: sum(overview, &depths),
            subjects: [
                queues
                    .iter()
                    .map(|status| Subject::Queue { name: queue::name(status), paused: status.paused })
                    .collect(),
                actors.iter().map(|actor| subject_of(actor, &in_flight)).collect(),
                jobs.iter().map(|job| job_subject(job)).collect(),
            ],
            rows: Rows {
                keys: [
                    queue::names(&queues),
                    actors.iter().map(|actor| actor.actor_id.clone()).collect(),
                    jobs.iter().map(|job| job.id.clone()).collect(),
                ],
            },
            tables: [
                queue::rows(&queues),
                actor_table(overview, &actors, &in_flight, now),
                job_table(&jobs, now),
            ],
        }
    }
}

fn counts(overview: &Overview) -> (BTreeMap<i32, Depth>, BTreeMap<&str, i32>) {
    let (mut depths, mut in_flight) = (BTreeMap::<i32, Depth>::new(), BTreeMap::new());
    for job in overview.jobs.values() {
        let depth = depths.entry(job.script_type).or_default();
        match job.state {
            State::Running => {
                depth.running += 1;
                *in_flight.entry(job.actor.as_str()).or_default() += 1;
            }
            State::Queued => {
                depth.queued += 1;
                let is_older = |oldest: prost_types::Timestamp| {
                    job.since.is_some_and(|since| since.seconds < oldest.seconds)
                };
                if depth.oldest.is_none_or(is_older) {
                    depth.oldest = job.since;
                }
            }
            State::Scheduled | State::Blocked | State::RetryWait => depth.delayed += 1,
            State::Unspecified | State::Succeeded | State::Failed | State::Cancelled => {}
        }
    }
    (depths, in_flight)
}

/// Returns the status of a queue as the events tell it.
fn queue_of(
    overview: &Overview,
    status: &ScriptTypeStatus,
    depths: &BTreeMap<i32, Depth>,
    in_flight: &BTreeMap<&str, i32>,
    now: SystemTime,
) -> ScriptTypeStatus {
    let depth = depths.get(&status.script_type).copied().unwrap_or_default();
    // An actor of a named queue is one of that.
    let of_type = |actor: &&Actor| {
        let is_so =
            |config: &ActorConfig| config.queue.is_empty() && config.script_type == status.script_type;
        actor.config.as_ref().is_some_and(is_so)
    };
    let count = |is: &dyn Fn(&Actor) -> bool| {
        let actors = overview.actors.values().filter(of_type).filter(|actor| is(actor)).count();
        i32::try_from(actors).unwrap_or(i32::MAX)
    };
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed();
    let rates = overview.rates.get(&status.script_type).copied().unwrap_or_default();
    let (submitted_per_second, finished_per_second) = rates.per_second(now);
    let oldest_queued_age =
        depth.oldest.map(|oldest| prost_types::Duration { seconds: (now - oldest.seconds).max(0), nanos: 0 });
    ScriptTypeStatus {
        jobs_queued: depth.queued,
        jobs_running: depth.running,
        jobs_delayed: depth.delayed,
        oldest_queued_age,
        submitted_per_second,
        finished_per_second,
        actors_total: count(&|_actor| true),
        actors_running: count(&|actor| actor.state() == ActorState::Running),
        actors_busy: count(&|actor| in_flight.contains_key(actor.actor_id.as_str())),
        actors_unhealthy: count(&|actor| actor.health() == Health::Unhealthy),
        ..status.clone()
    }
}

fn subject_of(actor: &Actor, in_flight: &BTreeMap<&str, i32>) -> Subject {
    Subject::Actor {
        id: actor.actor_id.clone(),
        up: actor.desired_state() == DesiredState::Up,
        in_flight: in_flight.get(actor.actor_id.as_str()).copied().unwrap_or_default(),
    }
}

fn job_subject(job: &LiveJob) -> Subject {
    Subject::Job { id: job.id.clone(), ended: has_ended(job.state), running: job.state == State::Running }
}

/// Returns jobs as they are listed: those that run, those that wait, and those that have ended, the latest first.
fn jobs_of(overview: &Overview, wanted: impl Fn(&str) -> bool) -> Vec<&LiveJob> {
    let is_wanted = |job: &&LiveJob| {
        let state = word(job.state.as_str_name(), "STATE_");
        wanted(&format!(
            "{} {} {state} {} {}",
            job.id,
            script_type_word(job.script_type),
            job.actor,
            job.error
        ))
    };
    let runs = |job: &&LiveJob| job.state == State::Running;
    let running = overview.jobs.values().filter(runs).filter(is_wanted);
    let waiting = overview.jobs.values().filter(|job| !runs(job)).filter(is_wanted);
    let ended = overview.ended.iter().rev().filter(is_wanted);
    running.chain(waiting.take(MOST_JOBS / 2)).chain(ended).take(MOST_JOBS).collect()
}

fn sum(overview: &Overview, depths: &BTreeMap<i32, Depth>) -> String {
    let running = overview.actors.values().filter(|actor| actor.state() == ActorState::Running).count();
    let (runs, waits) = depths
        .values()
        .fold((0, 0), |(runs, waits), depth| (runs + depth.running, waits + depth.queued + depth.delayed));
    format!("{running} of {} actors run, {runs} jobs run, {waits} wait", overview.actors.len())
}

const ACTOR_COLUMNS: [Column; 11] = [
    Column::whole("ACTOR"),
    Column::leave("TYPE", 3),
    Column::whole("STATE"),
    Column::leave("HEALTH", 2),
    Column::leave("JOBS", 6),
    Column::whole("CPU"),
    Column::whole("MEMORY"),
    Column::leave("RESTARTS", 1),
    Column::leave("AGE", 5),
    Column::leave("NODE", 0),
    Column::cut("MESSAGE"),
];

fn actor_table(
    overview: &Overview,
    actors: &[&Actor],
    in_flight: &BTreeMap<&str, i32>,
    now: SystemTime,
) -> Table {
    let row = |actor: &&Actor| {
        let used = overview.usage.get(&actor.actor_id);
        let jobs = in_flight.get(actor.actor_id.as_str()).copied().unwrap_or_default();
        [
            Cell::from(actor.actor_id.as_str()),
            script_type_word(actor.config.as_ref().map_or(0, |config| config.script_type)).into(),
            Cell::state(word(actor.state().as_str_name(), "STATE_")),
            health(actor),
            jobs.to_string().into(),
            usage::cpu(used).into(),
            usage::memory(used).into(),
            actor.restart_count.to_string().into(),
            age(now, actor.pid.and(actor.start_time).or(actor.state_time)).into(),
            or_dash(&actor.node).into(),
            short(&actor.status_message).into(),
        ]
    };
    Table::new(ACTOR_COLUMNS, actors.iter().map(row))
}

/// Renders the health; a dash for an actor that was not pinged yet.
fn health(actor: &Actor) -> Cell {
    match actor.health() {
        Health::Unspecified | Health::Unknown => "-".into(),
        health @ (Health::Healthy | Health::Degraded | Health::Unhealthy) => {
            Cell::state(word(health.as_str_name(), "HEALTH_"))
        }
    }
}

const JOB_COLUMNS: [Column; 7] = [
    Column::whole("JOB"),
    Column::leave("TYPE", 1),
    Column::whole("STATE"),
    Column::leave("ATTEMPT", 0),
    Column::leave("ACTOR", 2),
    Column::whole("SINCE"),
    Column::cut("ERROR"),
];

fn job_table(jobs: &[&LiveJob], now: SystemTime) -> Table {
    let short_ids = short_ids(jobs.iter().map(|job| job.id.as_str()));
    let row = |(job, id): (&&LiveJob, String)| {
        [
            Cell::id(&job.id, id),
            script_type_word(job.script_type).into(),
            Cell::state(word(job.state.as_str_name(), "STATE_")),
            job.attempt.to_string().into(),
            or_dash(&job.actor).into(),
            age(now, job.since).into(),
            or_dash(&short(&job.error)).into(),
        ]
    };
    Table::new(JOB_COLUMNS, jobs.iter().zip(short_ids).map(row))
}
