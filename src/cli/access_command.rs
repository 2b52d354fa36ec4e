//! `access`: shows who may call a server, and who has called it.

use std::time::SystemTime;

use clap::{Args, Subcommand};

use super::table::{Cell, Column, Table};
use super::values::{age, moment_ago, or_dash, time, word};
use super::{ClientArgs, Exit, Failure, client};
use crate::adapters::system_clock::SystemClock;
use crate::ports::clock::Clock;
use crate::proto::{
    AuditEntry, IdentityScopes, KnownIdentity, ListAuditEntriesRequest, ListAuditEntriesResponse,
    ListIdentitiesRequest, ListIdentitiesResponse,
};

/// Lines on one page.
const PAGE_SIZE: usize = 500;

/// The columns of a list of identities.
const IDENTITIES: [Column; 7] = [
    Column::whole("KIND"),
    Column::whole("SUBJECT"),
    Column::cut("NAME"),
    Column::whole("ROLES"),
    Column::cut("SCOPES"),
    Column::whole("ENDS"),
    Column::whole("USED"),
];

/// The columns of a list of lines.
const LINES: [Column; 8] = [
    Column::wide("LINE"),
    Column::whole("TIME"),
    Column::whole("IDENTITY"),
    Column::leave("PEER", 0),
    Column::whole("CALL"),
    Column::cut("TARGET"),
    Column::whole("CODE"),
    Column::cut("REASON"),
];

/// Verbs of `access`.
#[derive(Debug, Clone, Subcommand)]
pub enum AccessCommand {
    /// List who may call: tokens, rules for certificates and users, the identity provider
    #[command(visible_alias = "list")]
    Ls,
    /// Show lines of the server's audit log, the newest first
    Audit(AuditLines),
}

/// Conditions for the lines that are shown. All of them must hold.
#[derive(Debug, Clone, Args)]
pub struct AuditLines {
    /// Lines of this identity: KIND:ID or ID
    #[arg(long, value_name = "WHO")]
    pub identity: Option<String>,
    /// Lines of this call
    #[arg(long, value_name = "CALL")]
    pub rpc: Option<String>,
    /// Lines about this actor, job, script type or caller
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Ends with this gRPC code
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Only calls that were refused because of who calls
    #[arg(long)]
    pub refused: bool,
    /// Only lines since then: 10m, 2h, 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment_ago)]
    pub since: Option<SystemTime>,
    /// Most lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

pub(super) async fn run(client: ClientArgs, verb: AccessCommand) -> Result<Exit, Failure> {
    match verb {
        AccessCommand::Ls => identities(client).await,
        AccessCommand::Audit(args) => audit(client, args).await,
    }
}

async fn identities(client: ClientArgs) -> Result<Exit, Failure> {
    let mut server = client.connect().await?;
    let mut all = ListIdentitiesResponse::default();
    let mut request = ListIdentitiesRequest::default();
    loop {
        let page = server.list_identities(client::call(request.clone())).await?.into_inner();
        all.identities.extend(page.identities);
        all.authentication_required = page.authentication_required;
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let printer = client.printer();
    let ids = all.identities.iter().map(|known| known.subject.clone());
    printer.listing(&all, ids, || Table::new(IDENTITIES, all.identities.iter().map(known)))?;
    if !all.authentication_required {
        printer.notice("the server demands no identity: everybody who reaches it may make every call");
    }
    Ok(Exit::Ok)
}

fn known(known: &KnownIdentity) -> [Cell; 7] {
    let end = if known.not_after.is_some() { time(known.not_after) } else { or_dash("") };
    let rights = if known.roles.is_empty() { known.allowed_calls.join(" ") } else { known.roles.join(",") };
    [
        word(known.kind().as_str_name(), "KIND_").into(),
        or_dash(&known.subject).into(),
        or_dash(&known.name).into(),
        or_dash(&rights).into(),
        or_dash(&known.scopes.as_ref().map(scopes).unwrap_or_default()).into(),
        end.into(),
        age(SystemClock.now(), known.last_used_time).into(),
    ]
}

/// Renders scopes on one line: `callers billing,payroll types python`.
fn scopes(scopes: &IdentityScopes) -> String {
    let lists = [
        ("callers", &scopes.callers),
        ("contexts", &scopes.contexts),
        ("types", &scopes.script_types),
        ("actors", &scopes.target_actors),
    ];
    let written = lists.into_iter().filter(|(_name, list)| !list.is_empty());
    let mut words: Vec<String> = written.map(|(name, list)| format!("{name} {}", list.join(","))).collect();
    if scopes.see_payloads {
        words.push("payloads".to_owned());
    }
    words.join(" ")
}

async fn audit(client: ClientArgs, args: AuditLines) -> Result<Exit, Failure> {
    let mut server = client.connect().await?;
    let mut request = ListAuditEntriesRequest {
        identity: args.identity.unwrap_or_default(),
        rpc: args.rpc.unwrap_or_default(),
        target: args.target.unwrap_or_default(),
        code: args.code.unwrap_or_default(),
        refused_only: args.refused,
        time_after: args.since.map(Into::into),
        ..Default::default()
    };
    let mut all = ListAuditEntriesResponse::default();
    while all.entries.len() < args.limit {
        request.page_size = i32::try_from((args.limit - all.entries.len()).min(PAGE_SIZE)).unwrap_or(1);
        let page = server.list_audit_entries(client::call(request.clone())).await?.into_inner();
        all.entries.extend(page.entries);
        all.log_enabled = page.log_enabled;
        all.next_page_token.clone_from(&page.next_page_token);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let printer = client.printer();
    let ids = all.entries.iter().map(|entry| entry.line.to_string());
    printer.listing(&all, ids, || Table::new(LINES, all.entries.iter().map(line)))?;
    if !all.log_enabled && args.limit > 0 {
        printer.notice("the server keeps no audit log: name a file by audit.path in its configuration");
    }
    Ok(Exit::Ok)
}

fn line(entry: &AuditEntry) -> [Cell; 8] {
    let what = if entry.rpc.is_empty() { &entry.note } else { &entry.rpc };
    let mut about = entry.targets.join(" ");
    if entry.all_actors {
        about.push_str(" all actors");
    }
    let outcome = if entry.code.is_empty() { "-" } else { &entry.code };
    let reason = match (entry.reason.as_str(), entry.cause.as_str()) {
        (reason, "") => reason.to_owned(),
        (reason, cause) => format!("{reason} ({cause})"),
    };
    [
        entry.line.to_string().into(),
        time(entry.time).into(),
        or_dash(&entry.identity).into(),
        or_dash(&entry.peer).into(),
        what.clone().into(),
        or_dash(about.trim_start()).into(),
        outcome.into(),
        or_dash(&reason).into(),
    ]
}
