//! Jobs as tables and text.

use super::unique::describe;
use super::{run, state_word};
use crate::adapters::system_clock::SystemClock;
use crate::cli::table;
use crate::cli::table::{Cell, Column, Table, short_ids};
use crate::cli::usage::usage_of_job;
use crate::cli::values::{age, brief, duration, or_dash, script_type_word, short as cut, time};
use crate::ports::clock::Clock;
use crate::proto::Job;

/// The columns of a list of jobs.
const COLUMNS: [Column; 9] = [
    Column::whole("JOB"),
    Column::leave("TYPE", 3),
    Column::whole("STATE"),
    Column::leave("ATTEMPT", 0),
    Column::leave("ACTOR", 2),
    Column::whole("AGE"),
    Column::wide("CREATED"),
    Column::leave("RAN", 1),
    Column::cut("OUTCOME"),
];

/// The priority that most jobs have.
const DEFAULT_PRIORITY: i32 = 3;

/// Renders a table of jobs, with a column for each of these labels.
pub(super) fn rows(jobs: &[Job], labels: &[String]) -> Table {
    let now = SystemClock.now();
    let short = short_ids(jobs.iter().map(|job| job.job_id.as_str()));
    let row = |(job, id): (&Job, String)| {
        [
            Cell::id(&job.job_id, id),
            script_type_word(job.spec.as_ref().map_or(0, |spec| spec.script_type)).into(),
            Cell::state(state_word(job)),
            job.attempt.to_string().into(),
            or_dash(&job.actor_id).into(),
            age(now, job.create_time).into(),
            time(job.create_time).into(),
            brief(job.run_duration).into(),
            cut(&outcome(job)).into(),
        ]
    };
    let mut table = Table::new(COLUMNS, jobs.iter().zip(short).map(row));
    for label in labels {
        let value = |job: &Job| job.spec.as_ref().and_then(|spec| spec.labels.get(label)).cloned();
        let cells = jobs.iter().map(|job| Cell::from(or_dash(&value(job).unwrap_or_default())));
        table.add(Column::named(label), cells);
    }
    table
}

/// Returns the result, or the reason why there is none.
fn outcome(job: &Job) -> String {
    match (&job.result, &job.error) {
        (Some(result), _) => result.clone(),
        (None, Some(error)) => error.message.clone(),
        (None, None) => job.cancel_reason.clone(),
    }
}

/// Renders one job for people.
pub(super) fn show(job: &Job) -> String {
    let spec = job.spec.clone().unwrap_or_default();
    let mut facts = vec![
        ("job", job.job_id.clone()),
        ("type", script_type_word(spec.script_type)),
        ("state", state_word(job)),
        ("attempt", job.attempt.to_string()),
        ("actor", or_dash(&job.actor_id)),
        ("caller", or_dash(&spec.caller_id)),
        ("context", or_dash(&spec.context_id)),
        ("created", time(job.create_time)),
        ("started", time(job.start_time)),
        ("finished", time(job.finish_time)),
        ("ran", duration(job.run_duration)),
    ];
    facts.extend(job.usage.as_ref().map(|usage| ("used", usage_of_job(usage))));
    facts.extend(spec.labels.iter().map(|(name, value)| ("label", format!("{name}={value}"))));
    if let Some(wait) = &job.wait {
        facts.push(("waits", wait.message.clone()));
    }
    if let Some(priority) = spec.priority.filter(|priority| *priority != DEFAULT_PRIORITY) {
        facts.push(("priority", priority.to_string()));
    }
    if let Some(unique) = &spec.unique {
        facts.push(("unique key", describe(unique)));
    }
    let texts =
        [("flow key", &spec.flow_key), ("retry of", &job.retry_of), ("submitted by", &job.submitted_by)];
    facts.extend(
        texts.into_iter().filter(|(_name, text)| !text.is_empty()).map(|(name, text)| (name, text.clone())),
    );
    if let Some(progress) = &job.progress {
        let percent = progress.percent.map(|percent| format!("{percent} % ")).unwrap_or_default();
        facts.push(("progress", format!("{percent}{}", progress.message)));
    }
    let earlier = job.past_attempts.iter().map(|past| {
        let why = past.error.as_ref().map_or_else(|| "cancelled".to_owned(), run::describe);
        format!("{} on {}: {why}", past.attempt, or_dash(&past.actor_id))
    });
    facts.extend(earlier.map(|line| ("earlier attempt", line)));
    if let Some(error) = &job.error {
        facts.push(("error", run::describe(error)));
        facts.extend(error.log_tail.iter().map(|line| ("  log", line.clone())));
    }
    if !job.cancel_reason.is_empty() {
        facts.push(("cancelled", job.cancel_reason.clone()));
    }
    let mut text = table(["FACT", "VALUE"], facts.into_iter().map(|(name, value)| [name.to_owned(), value]));
    let given = |text| Some(text).filter(|text: &&String| !text.is_empty());
    let parts =
        [("SCRIPT", given(&spec.script)), ("INPUT", given(&spec.input)), ("RESULT", job.result.as_ref())];
    for (title, content) in parts {
        if let Some(content) = content {
            text.push_str(&format!("\n{title}\n{}\n", beginning(content)));
        }
    }
    text
}

/// Returns as much of a text as people read; programs get it from `-o json`.
fn beginning(text: &str) -> String {
    const LINES: usize = 40;
    const BYTES: usize = 4 * 1024;
    let lines = text.match_indices('\n').nth(LINES - 1).map_or(text.len(), |(end, _)| end);
    match text.split_at_checked(text.floor_char_boundary(lines.min(BYTES))) {
        Some((shown, rest)) if !rest.is_empty() => {
            format!("{shown}\n… {} more bytes: see them with -o json", rest.len())
        }
        Some(_) | None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_shown_from_its_beginning() {
        assert_eq!(beginning("a\nb\n"), "a\nb\n");
        let lines = "x\n".repeat(41);
        let shown = beginning(&lines);
        assert_eq!(shown.matches("x\n").count(), 40, "{shown}");
        assert!(shown.ends_with("… 3 more bytes: see them with -o json"), "{shown}");
        let wide = "é".repeat(3000);
        assert!(
            beginning(&wide).ends_with("… 1904 more bytes: see them with -o json"),
            "{}",
            beginning(&wide)
        );
    }
}
