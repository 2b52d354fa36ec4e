//! `token`: makes, lists, revokes and rotates tokens. It works on the token file, not through a server; servers that read the file
//! follow within seconds.

mod options;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};

pub use options::GrantArgs;

use super::table::{Cell, Column, Table};
use super::values::span;
use super::{Exit, Failure, Format, Output};
use crate::adapters::system_clock::SystemClock;
use crate::config::{Config, Env, Flags, TokenFileEdit, TokenFileError, read_tokens};
use crate::domain::access::{
    ID_BYTES, Identity, NewToken, Pattern, SECRET_BYTES, StoredToken, is_id, new_id,
};
use crate::ports::clock::Clock;
use crate::private_file::PrivateFileError;

/// The source of random bytes of the system.
const RANDOM: &str = "/dev/urandom";

/// The columns of a list of tokens.
const COLUMNS: [Column; 6] = [
    Column::whole("ID"),
    Column::cut("NAME"),
    Column::whole("ROLES"),
    Column::cut("CALLERS"),
    Column::whole("ENDS"),
    Column::leave("OLD SECRET ENDS", 0),
];

/// Options of `token`.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// File with tokens [default: auth.tokens_file of --config]
    #[arg(long, global = true, value_name = "FILE", env = "HERO_SUPERVISOR_AUTH__TOKENS_FILE")]
    pub tokens_file: Option<PathBuf>,
    /// Configuration file of the service
    #[arg(long, global = true, value_name = "FILE", env = "HERO_SUPERVISOR_CONFIG")]
    pub config: Option<PathBuf>,
    /// Print only the token, or only ids
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// The verb.
    #[command(subcommand)]
    pub verb: TokenCommand,
}

/// Verbs of `token`.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token and show it, this once
    Create(Box<GrantArgs>),
    /// List tokens; secrets are not in the file, so none are shown
    #[command(visible_alias = "list")]
    Ls {
        /// Form of the output
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
    /// Remove a token; calls and watches that use it end within seconds
    Revoke {
        /// Id of the token
        id: String,
    },
    /// Give a token another secret and show it, this once
    Rotate {
        /// Id of the token
        id: String,
        /// Time for which the old secret stays valid; 0s ends it at once
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = span)]
        grace: Duration,
    },
}

pub(super) fn run(args: TokenArgs) -> Result<Exit, Failure> {
    let file = file_of(&args)?;
    let quiet = args.quiet;
    match args.verb {
        TokenCommand::Create(grant) => create(&file, &grant, quiet)?,
        TokenCommand::Ls { output } => list(&file, output, quiet)?,
        TokenCommand::Revoke { id } => {
            let mut edit = TokenFileEdit::open(&file)?;
            edit.remove(&id)?;
            edit.save()?;
            Output::new(Format::Table, quiet).notice(&format!("token {id} is revoked"));
        }
        TokenCommand::Rotate { id, grace } => rotate(&file, &id, grace, quiet)?,
    }
    Ok(Exit::Ok)
}

/// Returns the file that the command line or the configuration names.
fn file_of(args: &TokenArgs) -> Result<PathBuf, Failure> {
    if let Some(file) = &args.tokens_file {
        return Ok(file.clone());
    }
    let layers = Config::layers(args.config.clone(), Env::of_process(), Flags::default());
    Config::load(layers)?.config.auth.tokens_file.ok_or_else(|| {
        Failure::usage(
            "no token file is named: use --tokens-file FILE, or --config with auth.tokens_file in it",
        )
    })
}

fn create(file: &Path, args: &GrantArgs, quiet: bool) -> Result<(), Failure> {
    let mut edit = TokenFileEdit::open(file)?;
    let taken = edit.tokens()?;
    let id = match &args.id {
        Some(id) if !is_id(id) => {
            return Err(Failure::usage(format!("--id {id:?} is no id: use 1 to 64 of a-z, 0-9 and -")));
        }
        Some(id) if taken.iter().any(|token| token.identity.id == *id) => {
            let message = format!("there is a token {id} already: choose another id, or rotate that one");
            return Err(Failure::new(Exit::Refused, message));
        }
        Some(id) => id.clone(),
        None => new_id(&random::<ID_BYTES>()?),
    };
    let now = SystemClock.now();
    let token = NewToken::new(&id, &random::<SECRET_BYTES>()?);
    edit.add(&token, &args.grant(now)?, now);
    // What the flags say together is checked before anything is written.
    edit.tokens().map_err(|error| Failure::usage(refusal(error)))?;
    edit.save()?;
    show(&token, quiet)
}

fn rotate(file: &Path, id: &str, grace: Duration, quiet: bool) -> Result<(), Failure> {
    let mut edit = TokenFileEdit::open(file)?;
    let token = NewToken::new(id, &random::<SECRET_BYTES>()?);
    edit.rotate(&token, (!grace.is_zero()).then(|| SystemClock.now() + grace))?;
    edit.save()?;
    show(&token, quiet)
}

/// Prints a token on standard output, and what it is on standard error.
fn show(token: &NewToken, quiet: bool) -> Result<(), Failure> {
    Output::new(Format::Table, quiet).notice(&format!("token {}; it is shown only now:", token.id));
    Output::new(Format::Table, false).data(&token.text)
}

fn list(file: &Path, format: Format, quiet: bool) -> Result<(), Failure> {
    let tokens = read_tokens(file)?;
    let out = Output::new(format, quiet);
    if quiet {
        let ids: Vec<String> = tokens.iter().map(|token| token.identity.id.clone()).collect();
        return out.data(&ids.join("\n"));
    }
    match format {
        Format::Json | Format::Yaml => {
            let all: Vec<serde_json::Value> = tokens.iter().map(json).collect();
            out.data(&format.render(&all)?.unwrap_or_default())
        }
        Format::Table => {
            out.table(&Table::new(COLUMNS, tokens.iter().map(|token| row(token).map(Cell::from))))
        }
    }
}

fn row(token: &StoredToken) -> [String; 6] {
    let Identity { id, name, roles, scopes, not_after, .. } = &token.identity;
    let callers = scopes.callers.as_deref().map_or_else(|| "-".to_owned(), words);
    let end = |end: Option<SystemTime>| end.map_or_else(|| "-".to_owned(), time);
    let previous = token.previous.map(|previous| previous.not_after);
    [id.clone(), name.clone(), roles.to_string(), callers, end(*not_after), end(previous)]
}

fn json(token: &StoredToken) -> serde_json::Value {
    let Identity { id, name, roles, scopes, quotas, not_after, .. } = &token.identity;
    let list = |patterns: &Option<Vec<Pattern>>| {
        patterns.as_ref().map(|all| all.iter().map(Pattern::to_string).collect::<Vec<_>>())
    };
    serde_json::json!({
        "id": id,
        "name": name,
        "roles": roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
        "callers": list(&scopes.callers),
        "contexts": list(&scopes.contexts),
        "script_types": list(&scopes.script_types),
        "target_actors": list(&scopes.target_actors),
        "see_payloads": scopes.see_payloads,
        "rps": quotas.rps,
        "max_queued": quotas.jobs.max_queued,
        "max_running": quotas.jobs.max_running,
        "created_at": token.created_at.map(time),
        "not_after": not_after.map(time),
        "previous_not_after": token.previous.map(|previous| time(previous.not_after)),
    })
}

fn words(patterns: &[Pattern]) -> String {
    patterns.iter().map(Pattern::to_string).collect::<Vec<_>>().join(", ")
}

fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

/// Reads random bytes of the system.
fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    let read = File::open(RANDOM).and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(|error| {
        Failure::new(Exit::Refused, format!("cannot read random bytes of {RANDOM}: {error}"))
    })?;
    Ok(bytes)
}

impl From<TokenFileError> for Failure {
    fn from(error: TokenFileError) -> Self {
        let exit = match &error {
            TokenFileError::NotFound(_) => Exit::NotFound,
            TokenFileError::Io { .. } | TokenFileError::NotRead(PrivateFileError::Unreadable { .. }) => {
                Exit::Refused
            }
            TokenFileError::Invalid { .. } | TokenFileError::NotRead(_) => Exit::Usage,
        };
        Self::new(exit, error.to_string())
    }
}

/// Returns what is wrong with the flags, without the name of the file, which was not changed.
fn refusal(error: TokenFileError) -> String {
    match error {
        TokenFileError::Invalid { what, .. } => format!("the token cannot be made so: {what}"),
        error @ (TokenFileError::Io { .. } | TokenFileError::NotRead(_) | TokenFileError::NotFound(_)) => {
            error.to_string()
        }
    }
}
