//! `context`: servers by name. A context has the address of a server and the files with which it is called; it is kept
//! in a file of the person, which nobody else can read.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use toml_edit::{DocumentMut, Item, Table, value};

use super::table::{self, Cell, Column};
use super::{ClientArgs, Exit, Failure, Format};
use crate::config::{WriteLock, replace};
use crate::private_file::{PrivateFileError, read_private};

/// The variable that names the context to use.
pub(super) const CONTEXT_VARIABLE: &str = "HERO_SUPERVISOR_CONTEXT";
/// First line of a new file.
const HEADER: &str =
    "# Servers by name. `hero-supervisor context` writes this file; it can be edited by hand, too.\n";
/// The key of the context that is used, and of the table of all.
const CURRENT: &str = "current";
const CONTEXTS: &str = "contexts";
/// The columns of a list of contexts.
const COLUMNS: [Column; 5] = [
    Column::whole("CURRENT"),
    Column::whole("NAME"),
    Column::cut("SERVER"),
    Column::cut("CACERT"),
    Column::cut("TOKEN FILE"),
];

/// Verbs of `context`. They work on a file of yours, contexts.toml in the folder hero-supervisor of XDG_CONFIG_HOME.
#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// Keep --server, --cacert, --client-cert, --client-key and --token-file of this command under a name; the first
    /// one is used from now on
    Add {
        /// Name: letters, digits, - and _
        #[arg(value_name = "CONTEXT", value_parser = name)]
        context: String,
    },
    /// Use a context from now on, unless --server, --server-context or a variable says otherwise
    Use {
        /// Name
        #[arg(value_name = "CONTEXT")]
        context: String,
    },
    /// List contexts
    #[command(visible_alias = "list")]
    Ls,
    /// Remove contexts
    #[command(visible_alias = "delete")]
    Rm {
        /// Names
        #[arg(required = true, value_name = "CONTEXT")]
        contexts: Vec<String>,
    },
}

/// A server, and the files with which it is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) server: String,
    pub(super) cacert: Option<PathBuf>,
    pub(super) client_cert: Option<PathBuf>,
    pub(super) client_key: Option<PathBuf>,
    pub(super) token_file: Option<PathBuf>,
}

impl Context {
    /// Reads a context of the file.
    fn of(item: &Item) -> Option<Self> {
        let text = |key: &str| item.get(key).and_then(Item::as_str).map(str::to_owned);
        let path = |key: &str| text(key).map(PathBuf::from);
        Some(Self {
            server: text("server")?,
            cacert: path("cacert"),
            client_cert: path("client_cert"),
            client_key: path("client_key"),
            token_file: path("token_file"),
        })
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.insert("server", value(self.server.as_str()));
        let files = [
            ("cacert", &self.cacert),
            ("client_cert", &self.client_cert),
            ("client_key", &self.client_key),
            ("token_file", &self.token_file),
        ];
        for (key, path) in files {
            if let Some(path) = path {
                table.insert(key, value(path.display().to_string()));
            }
        }
        table
    }
}

/// Returns the context that this person uses: that of the option, of the variable, or of the file; None if there is
/// none.
///
/// # Errors
/// A context that is named and is not in the file, and a file that cannot be used.
pub(super) fn in_use(named: Option<&str>) -> Result<Option<Context>, Failure> {
    let variable = std::env::var(CONTEXT_VARIABLE).ok().filter(|name| !name.is_empty());
    let named = named.map(str::to_owned).or(variable);
    let Some(path) = file(|name| std::env::var_os(name)) else {
        return match named {
            Some(name) => Err(unknown(&name)),
            None => Ok(None),
        };
    };
    let Some(contexts) = Contexts::read(&path)? else {
        return named.map_or(Ok(None), |name| Err(unknown(&name)));
    };
    match named.as_deref().or(contexts.current()) {
        Some(name) => contexts.get(name).map(Some).ok_or_else(|| unknown(name)),
        None => Ok(None),
    }
}

/// Returns the names of all contexts, as far as they can be read.
pub(super) fn names() -> Vec<String> {
    let contexts = file(|name| std::env::var_os(name)).and_then(|path| Contexts::read(&path).ok().flatten());
    contexts.map(|contexts| contexts.all().into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
}

/// Returns the path of the file; None for somebody without a home.
fn file(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A relative folder is ignored, as the XDG Base Directory Specification says.
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("hero-supervisor/contexts.toml"))
}

fn unknown(name: &str) -> Failure {
    let message = format!("there is no context {name:?}: see `hero-supervisor context ls`");
    Failure::new(Exit::NotFound, message)
}

/// The file with contexts.
struct Contexts(DocumentMut);

impl Contexts {
    /// Reads the file; None if there is none.
    fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match read_private(path) {
            Ok(text) => text,
            Err(PrivateFileError::Unreadable { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                return Ok(None);
            }
            Err(error) => return Err(Failure::usage(error.to_string())),
        };
        Self::parse(&String::from_utf8_lossy(&text))
            .map(Some)
            .map_err(|why| Failure::usage(format!("{}: {why}", path.display())))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
        if document.get(CONTEXTS).is_some_and(|contexts| contexts.as_table().is_none()) {
            return Err(format!("{CONTEXTS} is not a table"));
        }
        Ok(Self(document))
    }

    /// Returns the text of the file, with its first line.
    fn text(&self) -> String {
        let text = self.0.to_string();
        if text.starts_with('#') { text } else { format!("{HEADER}{text}") }
    }

    fn current(&self) -> Option<&str> {
        self.0.get(CURRENT).and_then(Item::as_str)
    }

    fn get(&self, name: &str) -> Option<Context> {
        self.0.get(CONTEXTS).and_then(|contexts| contexts.get(name)).and_then(Context::of)
    }

    fn all(&self) -> Vec<(String, Context)> {
        let contexts = self.0.get(CONTEXTS).and_then(Item::as_table).into_iter().flatten();
        contexts.filter_map(|(name, item)| Some((name.to_owned(), Context::of(item)?))).collect()
    }

    fn add(&mut self, name: &str, context: &Context) {
        let all = self.0.entry(CONTEXTS).or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        if let Some(all) = all.as_table_mut() {
            all.insert(name, Item::Table(context.table()));
        }
        if self.current().is_none() {
            self.use_from_now_on(name);
        }
    }

    fn use_from_now_on(&mut self, name: &str) {
        self.0.insert(CURRENT, value(name));
    }

    fn remove(&mut self, name: &str) {
        if let Some(all) = self.0.get_mut(CONTEXTS).and_then(Item::as_table_mut) {
            all.remove(name);
        }
        if self.current() == Some(name) {
            self.0.remove(CURRENT);
        }
    }
}

/// Changes the file; other writers wait.
fn change(path: &Path, edit: impl FnOnce(&mut Contexts) -> Result<(), Failure>) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| {
            Failure::new(Exit::Refused, format!("cannot make {}: {error}", folder.display()))
        })?;
    }
    let lock = WriteLock::take(path)?;
    let mut contexts = match Contexts::read(path)? {
        Some(contexts) => contexts,
        None => Contexts::parse("").map_err(Failure::usage)?,
    };
    edit(&mut contexts)?;
    replace(path, &contexts.text())?;
    drop(lock);
    Ok(())
}

pub(super) fn run(client: &ClientArgs, verb: ContextCommand) -> Result<Exit, Failure> {
    let path = file(|name| std::env::var_os(name))
        .ok_or_else(|| Failure::usage("there is no place for contexts: set XDG_CONFIG_HOME or HOME"))?;
    let out = client.printer();
    match verb {
        ContextCommand::Add { context } => {
            let added = client.as_context()?;
            let mut is_used = false;
            change(&path, |contexts| {
                contexts.add(&context, &added);
                is_used = contexts.current() == Some(context.as_str());
                Ok(())
            })?;
            let used = if is_used { ", and is used from now on" } else { "" };
            out.notice(&format!("context {context} is {}{used}", added.server));
        }
        ContextCommand::Use { context } => {
            change(&path, |contexts| {
                contexts.get(&context).ok_or_else(|| unknown(&context))?;
                contexts.use_from_now_on(&context);
                Ok(())
            })?;
            out.notice(&format!("context {context} is used from now on"));
        }
        ContextCommand::Ls => list(client, Contexts::read(&path)?)?,
        ContextCommand::Rm { contexts: names } => {
            change(&path, |contexts| {
                for name in &names {
                    contexts.get(name).ok_or_else(|| unknown(name))?;
                    contexts.remove(name);
                }
                Ok(())
            })?;
            out.notice(&format!("removed {}", names.join(", ")));
        }
    }
    Ok(Exit::Ok)
}

fn list(client: &ClientArgs, contexts: Option<Contexts>) -> Result<(), Failure> {
    let current = contexts.as_ref().and_then(Contexts::current).map(str::to_owned);
    let all = contexts.map(|contexts| contexts.all()).unwrap_or_default();
    let out = client.printer();
    if client.quiet {
        let names: Vec<String> = all.into_iter().map(|(name, _)| name).collect();
        return out.data(&names.join("\n"));
    }
    let is_current = |name: &str| current.as_deref() == Some(name);
    match client.output {
        Format::Json | Format::Yaml => {
            let json = |(name, context): &(String, Context)| {
                serde_json::json!({
                    "name": name,
                    "current": is_current(name),
                    "server": context.server,
                    "cacert": context.cacert,
                    "client_cert": context.client_cert,
                    "client_key": context.client_key,
                    "token_file": context.token_file,
                })
            };
            let all: Vec<serde_json::Value> = all.iter().map(json).collect();
            out.data(&client.output.render(&all)?.unwrap_or_default())
        }
        Format::Table => {
            let path = |path: Option<PathBuf>| {
                path.map_or_else(|| "-".to_owned(), |path| path.display().to_string())
            };
            let row = |(name, context): (String, Context)| {
                let mark = if is_current(&name) { "*" } else { "" };
                let (cacert, token_file) = (path(context.cacert), path(context.token_file));
                [mark.to_owned(), name, context.server, cacert, token_file].map(Cell::from)
            };
            out.table(&table::Table::new(COLUMNS, all.into_iter().map(row)))
        }
    }
}

/// Parses the name of a context.
fn name(raw: &str) -> Result<String, String> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    match !raw.is_empty() && raw.len() <= 64 && raw.bytes().all(fits) {
        true => Ok(raw.to_owned()),
        false => Err(format!("{raw:?} is no name of a context: use 1 to 64 letters, digits, - and _")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(server: &str) -> Context {
        Context { server: server.to_owned(), token_file: Some(PathBuf::from("/t")), ..Context::default() }
    }

    #[test]
    fn the_first_context_is_used_until_another_one_is() {
        let mut contexts = Contexts::parse("").unwrap();
        contexts.add("one", &context("https://one:1"));
        contexts.add("two", &context("https://two:2"));
        assert_eq!(contexts.current(), Some("one"));
        contexts.use_from_now_on("two");
        let again = Contexts::parse(&contexts.text()).unwrap();
        assert_eq!(again.current(), Some("two"));
        assert_eq!(again.get("one"), Some(context("https://one:1")));
        assert_eq!(again.all().len(), 2);
        contexts.remove("two");
        assert_eq!(
            (contexts.current(), contexts.get("two")),
            (None, None),
            "a context that is gone is not used"
        );
        assert!(contexts.text().starts_with(HEADER), "{}", contexts.text());
    }

    #[test]
    fn the_file_lies_where_the_system_keeps_configurations() {
        let of = |set: &[(&str, &str)]| {
            file(|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value)))
        };
        let expected = |folder: &str| Some(PathBuf::from(format!("{folder}/hero-supervisor/contexts.toml")));
        assert_eq!(of(&[("XDG_CONFIG_HOME", "/c"), ("HOME", "/h")]), expected("/c"));
        assert_eq!(of(&[("XDG_CONFIG_HOME", "c"), ("HOME", "/h")]), expected("/h/.config"));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(name("prod-1_a"), Ok("prod-1_a".to_owned()));
        for wrong in ["", "a b", "a.b", "ä", &"x".repeat(65)] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
