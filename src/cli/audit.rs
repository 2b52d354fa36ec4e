//! `audit`: checks the audit log, and shows what is in it. It reads files, and asks no server.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::table::{Cell, Column, Table};
use super::values::span;
use super::{Exit, Failure, Format, Output};
use crate::adapters::audit::{Head, Report, all_files, read_line, verify};
use crate::adapters::system_clock::SystemClock;
use crate::config::{Config, Env, Flags};
use crate::ports::audit_reader::{AuditFilter, AuditLine, AuditStage};
use crate::ports::clock::Clock;
use crate::printable::{one_line, printable, printable_json};

/// The columns of a list of lines.
const COLUMNS: [Column; 9] = [
    Column::whole("LINE"),
    Column::whole("TIME"),
    Column::leave("STAGE", 1),
    Column::whole("IDENTITY"),
    Column::leave("PEER", 0),
    Column::whole("CALL"),
    Column::cut("TARGET"),
    Column::whole("CODE"),
    Column::cut("REASON"),
];

/// Options of `audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// Configuration file of the service, for the path of the log
    #[arg(long, global = true, value_name = "FILE", env = "HERO_SUPERVISOR_CONFIG")]
    pub config: Option<PathBuf>,
    /// Form of the output
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// The verb.
    #[command(subcommand)]
    pub verb: AuditCommand,
}

/// Verbs of `audit`.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Check that no line was changed, removed or displaced; older files are checked as well
    Verify {
        /// The log [default: audit.path of --config]
        path: Option<PathBuf>,
        /// A line that was noted elsewhere, as SEQ:SHA256; the log must have it. So removed last lines are found, too
        #[arg(long, value_name = "HEAD")]
        head: Option<Head>,
    },
    /// Show lines, the newest last; those of older files as well
    #[command(visible_alias = "list")]
    Ls {
        /// The log [default: audit.path of --config]
        path: Option<PathBuf>,
        /// Conditions for lines.
        #[command(flatten)]
        filter: Filter,
    },
}

/// Conditions for the lines that are shown. All of them must hold.
#[derive(Debug, Clone, Args)]
pub struct Filter {
    /// Lines of this identity: KIND:ID or ID
    #[arg(long, value_name = "WHO")]
    pub identity: Option<String>,
    /// Lines of this call
    #[arg(long, value_name = "CALL")]
    pub rpc: Option<String>,
    /// Lines about this actor, job, script type or caller
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Lines with this gRPC code
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Only calls that were refused because of who calls
    #[arg(long)]
    pub refused: bool,
    /// Only lines of the last 1h, 7d, …
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub since: Option<Duration>,
    /// Most lines; 0 means all
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 100)]
    pub tail: usize,
}

pub(super) fn run(args: AuditArgs) -> Result<Exit, Failure> {
    match &args.verb {
        AuditCommand::Verify { path, head } => {
            let path = path_of(&args, path.as_ref())?;
            let report = verify(&path, head.as_ref()).map_err(|error| unreadable(&path, &error))?;
            show(&report, args.output)?;
            Ok(if report.faults.is_empty() { Exit::Ok } else { Exit::JobFailed })
        }
        AuditCommand::Ls { path, filter } => {
            let path = path_of(&args, path.as_ref())?;
            list(&path, filter, args.output)?;
            Ok(Exit::Ok)
        }
    }
}

/// Returns the log that the command line or the configuration names.
fn path_of(args: &AuditArgs, path: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = path {
        return Ok(path.clone());
    }
    let layers = Config::layers(args.config.clone(), Env::of_process(), Flags::default());
    Config::load(layers)?.config.audit.path.ok_or_else(|| {
        Failure::usage("no audit log is named: say its path, or use --config with audit.path in it")
    })
}

fn unreadable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    let exit = match error.kind() == ErrorKind::NotFound {
        true => Exit::NotFound,
        false => Exit::Refused,
    };
    Failure::new(exit, format!("{} cannot be read: {error}", path.display()))
}

fn show(report: &Report, format: Format) -> Result<(), Failure> {
    let out = Output::new(format, false);
    if format != Format::Table {
        let faults: Vec<serde_json::Value> = report
            .faults
            .iter()
            .map(|fault| serde_json::json!({"file": fault.file, "line": fault.line, "what": fault.what}))
            .collect();
        let json = serde_json::json!({
            "files": report.files,
            "lines": report.lines,
            "first": report.first,
            "head": report.head.to_string(),
            "closed": report.closed,
            "faults": faults,
        });
        return out.data(&format.render(&json)?.unwrap_or_default());
    }
    for fault in &report.faults {
        let text = format!("{}:{}: {}", fault.file.display(), fault.line, fault.what);
        out.data(&printable(&text))?;
    }
    let Report { files, lines, first, head, closed, .. } = report;
    if report.faults.is_empty() {
        let end = match closed {
            true => "closed in order",
            false => {
                "not closed: it is being written, its supervisor was killed, or its last lines were removed"
            }
        };
        out.data(&format!("whole: {lines} lines from {first} on in {files} files, {end}\nhead: {head}"))?;
    }
    Ok(())
}

fn list(path: &std::path::Path, filter: &Filter, format: Format) -> Result<(), Failure> {
    let files = all_files(path).map_err(|error| unreadable(path, &error))?;
    if files.is_empty() {
        return Err(Failure::new(Exit::NotFound, format!("there is no log {}", path.display())));
    }
    let conditions = filter.conditions();
    let mut found: VecDeque<(String, AuditLine)> = VecDeque::new();
    for file in files {
        let lines = match File::open(&file) {
            Ok(lines) => BufReader::new(lines),
            // Its supervisor has removed the oldest one meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(&file, &error)),
        };
        for line in lines.split(b'\n') {
            let line = line.map_err(|error| unreadable(&file, &error))?;
            // A damaged line is passed over; `verify` tells where it is.
            let Ok(line) = String::from_utf8(line) else { continue };
            let Some(entry) = read_line(&line) else { continue };
            if conditions.lets_through(&entry) {
                found.push_back((line, entry));
            }
            if filter.tail > 0 && found.len() > filter.tail {
                found.pop_front();
            }
        }
    }
    let out = Output::new(format, false);
    match format {
        Format::Json => {
            let lines: Vec<&str> = found.iter().map(|(line, _)| line.as_str()).collect();
            out.data(&printable_json(&lines.join("\n")))
        }
        Format::Yaml => {
            for (line, _) in &found {
                let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
                out.data(&format!("---\n{}", format.render(&line)?.unwrap_or_default()))?;
            }
            Ok(())
        }
        Format::Table => out.table(&Table::new(COLUMNS, found.iter().map(|(_, entry)| row(entry)))),
    }
}

impl Filter {
    fn conditions(&self) -> AuditFilter {
        AuditFilter {
            identity: self.identity.clone(),
            rpc: self.rpc.clone(),
            target: self.target.clone(),
            code: self.code.clone(),
            refused: self.refused,
            stage: None,
            since: self.since.and_then(|span| SystemClock.now().checked_sub(span)),
            until: None,
        }
    }
}

/// Returns the cells of a line.
fn row(line: &AuditLine) -> [Cell; 9] {
    let mut about: Vec<&str> = line.targets.iter().map(String::as_str).collect();
    if line.all_actors {
        about.push("all actors");
    }
    let stage = match line.stage {
        AuditStage::Received => "received",
        AuditStage::Done => "done",
        AuditStage::Note => "note",
    };
    let reason = match (line.reason.as_str(), line.cause.as_str()) {
        (reason, "") => reason.to_owned(),
        (reason, cause) => format!("{reason} ({cause})"),
    };
    let what = if line.note.is_empty() { &line.rpc } else { &line.note };
    let cells = [
        line.number.to_string(),
        humantime::format_rfc3339_micros(line.at).to_string(),
        stage.to_owned(),
        line.identity.clone(),
        line.peer.clone(),
        what.clone(),
        about.join(" "),
        line.code.clone(),
        reason,
    ];
    cells.map(|cell| Cell::from(one_line(&cell).into_owned()))
}
