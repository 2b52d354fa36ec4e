//! What a run has measured: a table on stdout, and the same as a page and as data below `target/bench`.

use std::fmt::Display;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// Rows so far.
static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

struct Row {
    what: String,
    measured: String,
    floor: String,
    goal: Option<Goal>,
}

/// What a row is to reach.
pub(crate) struct Goal {
    text: String,
    is_met: bool,
}

impl Goal {
    /// At most this much.
    pub(crate) fn at_most(value: f64, most: f64, unit: impl Display) -> Self {
        Self { text: format!("at most {most}{unit}"), is_met: value <= most }
    }

    /// At least this much.
    pub(crate) fn at_least(value: f64, least: f64, unit: impl Display) -> Self {
        Self { text: format!("at least {least}{unit}"), is_met: value >= least }
    }

    fn cell(&self) -> String {
        if self.is_met { self.text.clone() } else { format!("**missed**: {}", self.text) }
    }
}

impl Row {
    fn line(&self) -> String {
        let goal = self.goal.as_ref().map(Goal::cell).unwrap_or_default();
        format!("| {} | {} | {} | {goal} |", self.what, self.measured, self.floor)
    }

    fn json(&self) -> Value {
        let goal = self.goal.as_ref().map(|goal| json!({ "text": goal.text, "met": goal.is_met }));
        json!({ "what": self.what, "measured": self.measured, "floor": self.floor, "goal": goal })
    }
}

const HEAD: &str = "| what | measured | floor in the same run | goal |\n|---|---|---|---|";

/// A row without a goal.
pub(crate) fn row(what: &str, measured: &str, floor: &str) {
    add(Row { what: what.to_owned(), measured: measured.to_owned(), floor: floor.to_owned(), goal: None });
}

/// A row with a goal.
pub(crate) fn row_to(what: &str, measured: &str, floor: &str, goal: Goal) {
    let [what, measured, floor] = [what, measured, floor].map(str::to_owned);
    add(Row { what, measured, floor, goal: Some(goal) });
}

fn add(row: Row) {
    println!("{}", row.line());
    ROWS.lock().unwrap_or_else(PoisonError::into_inner).push(row);
}

/// The machine at one moment.
struct Moment {
    load: String,
    /// Hundredths of a second of all processors: in all, and taken away by other machines on the same host.
    all: u64,
    stolen: u64,
}

impl Moment {
    fn now() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let stat = read("/proc/stat");
        let times = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
        let times: Vec<u64> = times.filter_map(|time| time.parse().ok()).collect();
        let load = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
        // Time of guests is part of the first two.
        let all = times.iter().take(8).sum();
        Self { load, all, stolen: times.get(7).copied().unwrap_or_default() }
    }
}

/// A run from its first row to its last.
pub(crate) struct Report(Moment);

impl Report {
    /// Prints the head of the table.
    pub(crate) fn begin() -> Self {
        println!("{HEAD}");
        Self(Moment::now())
    }

    /// Writes both files.
    pub(crate) fn end(self) {
        let (begin, end) = (self.0, Moment::now());
        let passed = end.all.saturating_sub(begin.all).max(1);
        let stolen = 100.0 * end.stolen.saturating_sub(begin.stolen) as f64 / passed as f64;
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        let (kernel, redis) = (said("uname", &["-sr"]), said("redis-server", &["--version"]));
        let rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<String> = rows.iter().map(Row::line).collect();
        let missed = rows.iter().filter(|row| row.goal.as_ref().is_some_and(|goal| !goal.is_met)).count();
        let page = format!(
            "{processors} processors, {kernel}, {redis}. Load {} before and {} after, {stolen:.1} % of the time stolen.\n\n\
             {HEAD}\n{}\n\nGoals missed: {missed}\n",
            begin.load,
            end.load,
            lines.join("\n")
        );
        let data = json!({
            "machine": {
                "processors": processors,
                "kernel": kernel,
                "redis": redis,
                "load_before": begin.load,
                "load_after": end.load,
                "stolen_percent": stolen,
            },
            "rows": rows.iter().map(Row::json).collect::<Vec<_>>(),
        });
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../bench");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("report.md"), page).unwrap();
        std::fs::write(folder.join("report.json"), format!("{data:#}\n")).unwrap();
        eprintln!("written to target/bench/report.md and report.json; goals missed: {missed}");
    }
}

/// The first line that a program prints.
fn said(program: &str, arguments: &[&str]) -> String {
    let ran = Command::new(program).args(arguments).output();
    let text = ran.map(|ran| String::from_utf8_lossy(&ran.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}
