//! The definition of the command line beyond what is derived, and its parsing.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, CommandFactory, Error, FromArgMatches};

use super::complete::complete as complete_value;
use super::{Cli, ClientArgs, examples};

/// Exit codes, below the help of the program.
const EXIT_CODES: &str = "Exit codes: 0 ok, 1 job failed, 2 usage, 3 not found, 4 server unreachable, 5 refused \
                          or not allowed, 124 wait timed out, 130 interrupted";

/// Commands that call no server, and the options of calls that mean something to them all the same.
const WITHOUT_SERVER: [(&str, &[&str]); 15] = [
    ("actor conformance", &["output"]),
    ("audit", &[]),
    ("completions", &[]),
    ("config", &[]),
    ("context ls", &["output", "quiet", "wide"]),
    ("context rm", &["quiet"]),
    ("context use", &["quiet"]),
    ("dev", &[]),
    ("doctor", &[]),
    ("exec-shim", &[]),
    ("man", &[]),
    ("serve", &[]),
    ("tls", &[]),
    ("token", &[]),
    ("version", &[]),
];

/// Returns the definition of the whole command line: commands with examples, and options only where they mean
/// something.
pub fn command() -> Command {
    let global = ClientArgs::augment_args(Command::new("options"));
    let global: Vec<&Arg> = global.get_arguments().collect();
    complete(Cli::command(), "", &global).after_help(format!("{}\n\n{EXIT_CODES}", examples::text("")))
}

/// Adds to a command, and to those below it, what the derived definition has not.
fn complete(command: Command, path: &str, global: &[&Arg]) -> Command {
    let own: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    let without_server = WITHOUT_SERVER.iter().find(|(without, _)| *without == path);
    // An option that a command has already is not handed down to it: a hidden one hides that of the program.
    let hidden = global.iter().filter(|arg| {
        let id = arg.get_id().as_str();
        without_server.is_some_and(|(_, meant)| !meant.contains(&id)) && !own.iter().any(|own| own == id)
    });
    let hidden: Vec<Arg> = hidden.map(|arg| (*arg).clone().hide(true)).collect();
    let command = command.args(hidden).mut_args(complete_value);
    let command = match path {
        "" => command,
        path => command.after_help(examples::text(path)),
    };
    command.mut_subcommands(|inner| {
        let path = format!("{path} {}", inner.get_name()).trim_start().to_owned();
        complete(inner, &path, global)
    })
}

/// Parses the arguments of this process; help, versions and errors end it.
pub fn parse() -> Cli {
    parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// Parses arguments, the name of the program first.
///
/// # Errors
/// Help and versions that were asked for, and a command line that cannot be understood.
fn parse_from(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Cli, Error> {
    let mut command = command();
    command.build();
    let matches = command.try_get_matches_from_mut(args).map_err(|error| with_nouns(&command, error))?;
    refuse_ignored(&mut command, &matches)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Adds to the error of a verb without its noun the commands that have it: `logs` is in `actor logs` and `job logs`.
fn with_nouns(command: &Command, mut error: Error) -> Error {
    let Some(ContextValue::String(verb)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    // Of a verb behind a noun, clap knows as much.
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let is_noun = |word: &str| command.get_subcommands().any(|noun| noun.get_name() == word);
    if usage.split_whitespace().any(is_noun) {
        return error;
    }
    let has = |noun: &&Command| noun.find_subcommand(verb).is_some();
    let found: Vec<String> =
        command.get_subcommands().filter(has).map(|noun| format!("{} {verb}", noun.get_name())).collect();
    if !found.is_empty() {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(found));
    }
    error
}

/// Refuses an option of calls for a command that calls no server, instead of ignoring it.
fn refuse_ignored(command: &mut Command, matches: &ArgMatches) -> Result<(), Error> {
    let (mut leaf, mut given) = (&*command, matches);
    let mut path = Vec::new();
    while let Some((name, inner)) = given.subcommand() {
        let Some(below) = leaf.find_subcommand(name) else { break };
        (leaf, given) = (below, inner);
        path.push(name);
    }
    let ignored = leaf.get_arguments().find(|arg| {
        let id = arg.get_id().as_str();
        arg.is_hide_set()
            && given.try_contains_id(id).unwrap_or(false)
            && given.value_source(id) == Some(ValueSource::CommandLine)
    });
    let Some(name) = ignored.and_then(Arg::get_long) else { return Ok(()) };
    let message = format!("--{name} has no meaning for `{}`, which calls no server", path.join(" "));
    Err(command.error(ErrorKind::UnknownArgument, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Format, ServiceCommand};

    fn refused(line: &str) -> Error {
        parse_from(line.split(' ')).expect_err(line)
    }

    #[test]
    fn the_tree_of_commands_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn what_is_behind_the_shim_is_passed_on_untouched() {
        let args = ["hero-supervisor", "exec-shim", "--pdeathsig", "--", "/bin/echo", "--help", "-o"];
        let parsed = parse_from(args).unwrap().command;
        let cli::Command::Service(ServiceCommand::ExecShim(shim)) = parsed else { panic!("not the shim") };
        assert_eq!(shim.args, ["--pdeathsig", "--", "/bin/echo", "--help", "-o"]);
    }

    #[test]
    fn a_verb_without_its_noun_is_led_to_it() {
        let told = |line: &str| refused(line).to_string();
        assert!(told("hs run 1").contains("'job run'"), "{}", told("hs run 1"));
        let logs = told("hs logs");
        assert!(logs.contains("'actor logs'") && logs.contains("'job logs'"), "{logs}");
        assert!(!told("hs job rum").contains("'actor"), "{}", told("hs job rum"));
    }

    #[test]
    fn options_of_all_commands_stand_before_the_command_or_behind_it() {
        for line in ["hs -o json --server unix:/s actor ls -q", "hs actor -o json ls -q --server unix:/s"] {
            let client = parse_from(line.split(' ')).unwrap().client;
            assert_eq!(client.server.as_deref(), Some("unix:/s"), "{line}");
            assert!(client.quiet && client.output == Format::Json, "{line}");
        }
        let later = parse_from(["hs", "--server", "a:1", "info", "--server", "b:1"]).unwrap();
        assert_eq!(later.client.server.as_deref(), Some("b:1"), "the later one counts");
    }

    #[test]
    fn options_of_calls_are_refused_where_no_server_is_called() {
        for line in ["hs --server a:1 serve", "hs token --server a:1 ls", "hs version --raw"] {
            let error = refused(line);
            assert!(error.to_string().contains("which calls no server"), "{line}: {error}");
        }
        for line in
            ["hs -o json doctor", "hs token ls -o json -q", "hs -o json config show", "hs audit ls -o json"]
        {
            parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn help_and_version_are_commands() {
        for (line, kind) in [
            ("hs help", ErrorKind::DisplayHelp),
            ("hs help job", ErrorKind::DisplayHelp),
            ("hs job help run", ErrorKind::DisplayHelp),
            ("hs --version", ErrorKind::DisplayVersion),
        ] {
            assert_eq!(refused(line).kind(), kind, "{line}");
        }
        assert!(matches!(
            parse_from(["hs", "version"]).unwrap().command,
            cli::Command::Local(cli::LocalCommand::Version)
        ));
    }

    #[test]
    fn the_options_of_all_commands_have_a_heading_of_their_own() {
        let help = refused("hs actor ls --help").to_string();
        let (own, global) = help.split_once("Global options:").expect("the heading");
        assert!(own.contains("--label") && !own.contains("--server") && !own.contains("--output"), "{help}");
        assert!(global.contains("--server") && global.contains("--token-file"), "{help}");
        let short = refused("hs actor ls -h").to_string();
        assert!(short.contains("--server") && !short.contains("--token-file"), "{short}");
        let serve = refused("hs serve --help").to_string();
        assert!(!serve.contains("Global options:"), "{serve}");
    }
}
