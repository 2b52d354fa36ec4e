//! `tls`: makes a private CA and certificates for trying out. It works on files, not through a server.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Exit, Failure, Format, Output};
use crate::adapters::system_clock::SystemClock;
use crate::ports::clock::Clock;
use crate::tls::{TrialAuthority, TrialNames};

/// Mode of keys.
const PRIVATE: u32 = 0o600;
/// Mode of certificates.
const PUBLIC: u32 = 0o644;
/// The port of the printed lines.
const PORT: u16 = 50051;

/// Verbs of `tls`.
#[derive(Debug, Clone, Subcommand)]
pub enum TlsCommand {
    /// Make a private CA, a pair of certificate and key for the server and one for a client, for trying out
    Init(TlsInitArgs),
}

/// Options of `tls init`.
#[derive(Debug, Clone, Args)]
pub struct TlsInitArgs {
    /// Name or address by which callers reach the server; can be repeated. Those of the machine itself are added: localhost, 127.0.0.1
    /// and ::1
    #[arg(long = "host", value_name = "NAME", required = true)]
    pub hosts: Vec<String>,
    /// Folder for ca.crt, server.crt, client.crt and their keys; it is made if it is missing
    #[arg(long, value_name = "DIR", default_value = "tls")]
    pub out: PathBuf,
    /// URI in the certificate of the client, by which the configuration knows it
    #[arg(long, value_name = "URI", default_value = "spiffe://hero/trial")]
    pub client_uri: String,
    /// Days for which everything is valid
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
    /// Replace files that are there
    #[arg(long)]
    pub force: bool,
}

/// Runs a verb of `tls`.
pub(super) fn run(command: &TlsCommand) -> Result<Exit, Failure> {
    let TlsCommand::Init(args) = command;
    let valid_for = Duration::from_secs(u64::from(args.days) * 24 * 3600);
    let names = TrialNames::new(&args.hosts, &args.client_uri, SystemClock.now(), valid_for)
        .map_err(Failure::usage)?;
    let dir = std::path::absolute(&args.out).map_err(|error| unwritten(&args.out, &error))?;
    let made = TrialAuthority::make(&names)
        .map_err(|error| Failure::new(Exit::Refused, format!("the certificates cannot be made: {error}")))?;
    let files = [
        ("ca.crt", PUBLIC, &made.ca.cert),
        ("ca.key", PRIVATE, &made.ca.key),
        ("server.crt", PUBLIC, &made.server.cert),
        ("server.key", PRIVATE, &made.server.key),
        ("client.crt", PUBLIC, &made.client.cert),
        ("client.key", PRIVATE, &made.client.key),
    ];
    if !args.force {
        let there: Vec<&str> = files
            .iter()
            .map(|(name, ..)| *name)
            .filter(|name| dir.join(name).symlink_metadata().is_ok())
            .collect();
        if !there.is_empty() {
            return Err(Failure::new(
                Exit::Refused,
                format!(
                    "{} has {} already: choose another --out, or replace them with --force",
                    dir.display(),
                    there.join(", ")
                ),
            ));
        }
    }
    fs::create_dir_all(&dir).map_err(|error| unwritten(&dir, &error))?;
    for (name, mode, text) in files {
        let path = dir.join(name);
        write(&path, mode, text, args.force).map_err(|error| unwritten(&path, &error))?;
    }
    let out = Output::new(Format::Table, false);
    for_clients(&dir, names.host()).lines().for_each(|line| out.notice(line));
    out.data(&for_the_server(&dir, &args.client_uri))?;
    Ok(Exit::Ok)
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Refused, format!("{} cannot be written: {error}", path.display()))
}

/// Writes a file that has its mode from the first moment on. One that is there is replaced at once, or not touched.
fn write(path: &Path, mode: u32, text: &str, replace: bool) -> io::Result<()> {
    let target = if replace { path.with_extension("new") } else { path.to_owned() };
    if replace
        && let Err(error) = fs::remove_file(&target)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&target)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if replace { fs::rename(&target, path) } else { Ok(()) }
}

/// Returns a configuration, as a file of `serve`.
fn for_the_server(dir: &Path, client_uri: &str) -> String {
    let at = |name: &str| toml_edit::Value::from(dir.join(name).display().to_string());
    let uri = toml_edit::Value::from(client_uri);
    format!(
        "listen = [\"0.0.0.0:{PORT}\"]\n\n\
         [tls]\ncert = {}\nkey = {}\nclient_ca = {}\nclient_auth = \"optional\"\n\n\
         [[auth.certificate]]\nsan = {uri}\nrole = \"operator\"",
        at("server.crt"),
        at("server.key"),
        at("ca.crt")
    )
}

/// Returns the variables of clients, for a shell.
fn for_clients(dir: &Path, host: &str) -> String {
    let at = |name: &str| {
        let path = dir.join(name).display().to_string();
        shlex::try_quote(&path).map(|quoted| quoted.into_owned()).unwrap_or(path)
    };
    let host = match host {
        v6 if v6.contains(':') => format!("[{v6}]"),
        wildcard if wildcard.starts_with("*.") => "localhost".to_owned(),
        name => name.to_owned(),
    };
    format!(
        "for clients, which need ca.crt, client.crt and client.key:\n\n\
         export HERO_SUPERVISOR_SERVER=https://{host}:{PORT}\n\
         export HERO_SUPERVISOR_CACERT={}\n\
         export HERO_SUPERVISOR_CLIENT_CERT={}\n\
         export HERO_SUPERVISOR_CLIENT_KEY={}\n\n\
         for `hero-supervisor serve --config FILE`:\n",
        at("ca.crt"),
        at("client.crt"),
        at("client.key")
    )
}
