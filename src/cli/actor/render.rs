//! Actors as tables and text.

use super::confine::shown;
use super::difference::{Difference, differences};
use crate::adapters::system_clock::SystemClock;
use crate::cli::table;
use crate::cli::table::{Cell, Column, Table};
use crate::cli::usage;
use crate::cli::values::{age, or_dash, script_type_word, short, time, word};
use crate::ports::clock::Clock;
use crate::proto::{self, Actor};

/// Returns the id of the actor, if there is one.
pub(super) fn ids(actor: &Option<Actor>) -> Vec<String> {
    actor.iter().map(|actor| actor.actor_id.clone()).collect()
}

/// Returns the ids of results without error.
pub(super) fn result_ids(results: &[proto::ActorResult]) -> Vec<String> {
    results.iter().filter(|result| result.error.is_none()).map(|result| result.actor_id.clone()).collect()
}

/// Renders the actors of the results as a table.
pub(super) fn result_rows(results: &[proto::ActorResult]) -> Table {
    rows(results.iter().filter_map(|result| result.actor.as_ref()))
}

/// The columns of a list of actors.
const COLUMNS: [Column; 15] = [
    Column::whole("ACTOR"),
    Column::whole("TYPE"),
    Column::whole("STATE"),
    Column::leave("HEALTH", 5),
    Column::leave("PID", 2),
    Column::leave("JOBS", 4),
    Column::leave("RESTARTS", 3),
    Column::whole("AGE"),
    Column::wide("SINCE"),
    Column::wide("CPU"),
    Column::wide("MEMORY"),
    Column::wide("FILES"),
    Column::wide("THREADS"),
    Column::leave("NODE", 1),
    Column::cut("MESSAGE"),
];

/// Renders a table of actors.
pub(in crate::cli) fn rows<'a>(actors: impl IntoIterator<Item = &'a Actor>) -> Table {
    let now = SystemClock.now();
    let row = |actor: &Actor| {
        // Of its process, while there is one.
        let since = actor.pid.and(actor.start_time).or(actor.state_time);
        [
            Cell::from(actor.actor_id.as_str()),
            script_type_word(actor.config.as_ref().map_or(0, |config| config.script_type)).into(),
            Cell::state(state(actor)),
            health(actor),
            actor.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()).into(),
            actor.jobs_in_flight.to_string().into(),
            actor.restart_count.to_string().into(),
            age(now, since).into(),
            time(since).into(),
            usage::cpu(actor.usage.as_ref()).into(),
            usage::memory(actor.usage.as_ref()).into(),
            usage::files(actor.usage.as_ref()).into(),
            usage::threads(actor.usage.as_ref()).into(),
            or_dash(&actor.node).into(),
            short(&actor.status_message).into(),
        ]
    };
    let actors: Vec<&Actor> = actors.into_iter().collect();
    let mut table = Table::new(COLUMNS, actors.iter().copied().map(row));
    // Where all actors serve the queues of their types, TYPE says it.
    if actors.iter().any(|actor| !named_queue(actor).is_empty()) {
        let cells = actors.iter().map(|actor| Cell::from(or_dash(named_queue(actor))));
        table.add(Column::named("QUEUE"), cells);
    }
    table
}

/// Returns the queue of an actor; nothing for the default one of its type.
fn named_queue(actor: &Actor) -> &str {
    actor.config.as_ref().map_or("", |config| config.queue.as_str())
}

/// Renders a table of actors, with a column for each of these labels.
pub(super) fn labelled(actors: &[Actor], labels: &[String]) -> Table {
    let mut table = rows(actors);
    for label in labels {
        let value =
            |actor: &Actor| actor.config.as_ref().and_then(|config| config.labels.get(label)).cloned();
        let cells = actors.iter().map(|actor| Cell::from(or_dash(&value(actor).unwrap_or_default())));
        table.add(Column::named(label), cells);
    }
    table
}

fn state(actor: &Actor) -> String {
    word(actor.state().as_str_name(), "STATE_")
}

/// Renders the health; that of most actors is not known before their first ping.
fn health(actor: &Actor) -> Cell {
    match actor.health() {
        proto::actor::Health::Unspecified | proto::actor::Health::Unknown => "-".into(),
        known @ (proto::actor::Health::Healthy
        | proto::actor::Health::Degraded
        | proto::actor::Health::Unhealthy) => Cell::state(word(known.as_str_name(), "HEALTH_")),
    }
}

/// Renders one actor for people.
pub(super) fn show(actor: &Actor) -> String {
    let config = actor.config.clone().unwrap_or_default();
    let mut facts = vec![
        ("actor", actor.actor_id.clone()),
        ("type", script_type_word(config.script_type)),
        ("queue", or_dash(&config.queue)),
        ("state", state(actor)),
        ("wanted", word(actor.desired_state().as_str_name(), "DESIRED_STATE_")),
        ("health", word(actor.health().as_str_name(), "HEALTH_")),
        ("message", or_dash(&actor.status_message)),
        ("pid", actor.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string())),
        ("node", or_dash(&actor.node)),
        ("jobs", actor.jobs_in_flight.to_string()),
        ("restarts", actor.restart_count.to_string()),
        ("usage", usage::sentence(actor.usage.as_ref())),
        ("created", time(actor.create_time)),
        ("started", time(actor.start_time)),
        ("last job", time(actor.last_job_time)),
        ("confined", shown(&config)),
        ("binary", config.binary_path),
        ("args", or_dash(&config.args.join(" "))),
        ("after", or_dash(&config.dependencies.join(" "))),
    ];
    // Values are present if they were asked for.
    if !config.env_names.is_empty() {
        facts.push(("env", config.env_names.join(" ")));
    }
    let files = config.env_from_file.iter().map(|(name, path)| ("env from file", format!("{name}={path}")));
    facts.extend(files);
    if !config.secret_env.is_empty() {
        facts.push(("secret env", config.secret_env.join(" ")));
    }
    facts.extend(config.env.iter().map(|(name, value)| ("env", format!("{name}={value}"))));
    facts.extend(still_runs_by(actor));
    if let Some(exit) = &actor.last_exit {
        let how = match (exit.exit_code, exit.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "unknown".to_owned(),
        };
        facts.push(("last exit", format!("{how} at {}", time(exit.time))));
        if !exit.reason.is_empty() {
            facts.push(("  reason", exit.reason.clone()));
        }
        facts.extend(exit.log_tail.iter().map(|line| ("  log", line.clone())));
    }
    table(["FACT", "VALUE"], facts.into_iter().map(|(name, value)| [name.to_owned(), value]))
}

/// Returns what the process was started with, where a restart takes something else.
fn still_runs_by(actor: &Actor) -> Vec<(&'static str, String)> {
    let (Some(running), Some(defined)) = (&actor.running_config, &actor.config) else { return Vec::new() };
    let all = differences(running, defined);
    if all.is_empty() {
        return vec![(
            "runs by",
            "other values of environment variables or secrets, which are not shown".to_owned(),
        )];
    }
    let line = |one: Difference| {
        ("runs by", format!("{}: {}; a restart takes {}", one.field, one.running, one.defined))
    };
    all.into_iter().map(line).collect()
}
