//! The reference of the command line, as a page, from the definitions that also make its help.

use clap::{Arg, ArgAction, Command};

/// Columns of a line.
const WIDTH: usize = 115;

const INTRODUCTION: &str = "\
# Command line

Every command of `hero-supervisor` with its options, made from its help by `make gen`. `hero-supervisor COMMAND --help`
shows the same on a terminal, and `source <(hero-supervisor completions bash)` completes it there, ids and names that
the server knows included.

Standard output has the data: a table, ids (`--quiet`) or the response as JSON or YAML (`--output`). Everything else
goes to standard error. On a terminal tables fit its width, with short ids that every command takes, and trouble is
coloured unless `NO_COLOR` is set; pipes, and `--wide`, get all columns. TIME is a number with a unit: `500ms`, `30s`,
`5m`, `2h`, `1d`. JOB is the id of a job, or at least 6 characters of its beginning.
";

/// Renders the page.
pub(super) fn page(mut root: Command) -> String {
    root.build();
    let mut page = INTRODUCTION.to_owned();
    if let Some(text) = root.get_after_help() {
        page.push_str(&format!("\n```text\n{text}\n```\n"));
    }
    let mut commands = Vec::new();
    collect(&root, "", &mut commands);
    let options: Vec<&Arg> =
        root.get_arguments().filter(|arg| arg.is_global_set() && is_shown(arg)).collect();
    page.push_str("\n## All commands\n\n| command | |\n|---|---|\n");
    for Entry { name, command, .. } in &commands {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        page.push_str(&format!(
            "| [`{name}`](#{}) | {} |\n",
            name.replace(' ', "-"),
            escape(&about).replace('|', "\\|")
        ));
    }
    page.push_str("\n## Global options\n\nThey stand before the command or behind it.\n\n");
    options.iter().for_each(|arg| option(&mut page, arg));
    commands.iter().for_each(|entry| section(&mut page, entry));
    page
}

/// A command, its name, and the ids of the options that it has from those above it.
struct Entry<'a> {
    name: String,
    command: &'a Command,
    inherited: Vec<&'a str>,
}

/// The commands with their names, each before its own; those that are hidden are left out.
fn collect<'a>(command: &'a Command, name: &str, all: &mut Vec<Entry<'a>>) {
    let global = command.get_arguments().filter(|arg| arg.is_global_set());
    let inherited: Vec<&str> = global.map(|arg| arg.get_id().as_str()).collect();
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
    {
        let name = format!("{name} {}", inner.get_name()).trim_start().to_owned();
        all.push(Entry { name: name.clone(), command: inner, inherited: inherited.clone() });
        collect(inner, &name, all);
    }
}

fn is_shown(arg: &Arg) -> bool {
    !arg.is_hide_set()
        && !matches!(
            arg.get_action(),
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
        )
}

fn section(page: &mut String, Entry { name, command, inherited }: &Entry<'_>) {
    page.push_str(&format!("\n## {name}\n"));
    let about = command.get_long_about().or_else(|| command.get_about());
    paragraph(page, "", &about.map(ToString::to_string).unwrap_or_default());
    let aliases: Vec<String> = command.get_visible_aliases().map(|alias| format!("`{alias}`")).collect();
    if !aliases.is_empty() {
        paragraph(page, "", &format!("Also called {}.", aliases.join(", ")));
    }
    let usage = (*command).clone().render_usage().to_string();
    page.push_str(&format!("\n```text\n{}\n```\n", usage.strip_prefix("Usage: ").unwrap_or(&usage).trim()));
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| is_shown(arg) && !inherited.contains(&arg.get_id().as_str()))
        .collect();
    if !own.is_empty() {
        page.push('\n');
    }
    own.iter().for_each(|arg| option(page, arg));
    if let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        page.push_str(&format!("\n```text\n{}\n```\n", text.to_string().trim()));
    }
}

/// One item of a list: the option, its help, and what else there is to know.
fn option(page: &mut String, arg: &Arg) {
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    // Some defaults are told by the help, since the value depends on the machine or on the server.
    let (help, told) = match help.trim_end().strip_suffix(']').and_then(|help| help.rsplit_once("[default: "))
    {
        Some((help, default)) => (help.trim_end().to_owned(), Some(default.to_owned())),
        None => (help, None),
    };
    // The client reads some variables itself, so that an option wins over the variable of another one.
    let (help, variable) = match help.strip_suffix(']').and_then(|help| help.rsplit_once("[env: ")) {
        Some((help, name)) => (help.trim_end().to_owned(), Some(name.to_owned())),
        None => (help, None),
    };
    let mut text = format!("`{}`: {}", signature(arg), escape(&help));
    if !text.ends_with('.') {
        text.push('.');
    }
    if let Some(default) = told {
        text.push_str(&format!(" Default: {}.", escape(&default)));
    }
    let values: Vec<_> = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).collect();
    if arg.get_action().takes_values()
        && values.iter().all(|value| value.get_help().is_none())
        && !values.is_empty()
    {
        let names: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        text.push_str(&format!(" One of {}.", names.join(", ")));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if arg.get_action().takes_values() && !defaults.iter().all(|value| value.is_empty()) {
        text.push_str(&format!(" Default: `{}`.", defaults.join(",")));
    }
    if let Some(name) = arg.get_env().map(|name| name.to_string_lossy().into_owned()).or(variable) {
        text.push_str(&format!(" Environment: `{name}`."));
    }
    paragraph(page, "- ", &text);
    if arg.get_action().takes_values() {
        for value in values {
            if let Some(help) = value.get_help() {
                paragraph(page, "  - ", &format!("`{}`: {}", value.get_name(), escape(&help.to_string())));
            }
        }
    }
}

/// `-f, --file <FILE>`, or `[SCRIPT]`.
fn signature(arg: &Arg) -> String {
    let values = if arg.get_action().takes_values() { value_names(arg) } else { String::new() };
    let short = arg.get_short().map(|letter| format!("-{letter}"));
    let long = arg.get_long().map(|name| format!("--{name}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    [names.join(", "), values].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `<FILE>`, or `[SCRIPT]` where it may be left out.
fn value_names(arg: &Arg) -> String {
    let names: Vec<String> = match arg.get_value_names() {
        Some(names) => names.iter().map(ToString::to_string).collect(),
        None => vec![arg.get_id().to_string().to_uppercase().replace('_', "-")],
    };
    let (open, close) = if arg.is_positional() && !arg.is_required_set() { ('[', ']') } else { ('<', '>') };
    names.iter().map(|name| format!("{open}{name}{close}")).collect::<Vec<_>>().join(" ")
}

/// Help has no markup, so nothing in it is to be read as some; what stands in backticks is code already.
fn escape(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(index, part)| match index % 2 {
        0 => part.replace('<', "\\<").replace('*', "\\*"),
        _ => format!("`{part}`"),
    });
    parts.collect()
}

/// Adds a text that is broken into lines; those after the first are indented as far as the mark of a list.
fn paragraph(page: &mut String, mark: &str, text: &str) {
    if mark.is_empty() {
        page.push('\n');
    }
    let mut line = mark.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            page.push_str(&line);
            page.push('\n');
            line = " ".repeat(mark.len());
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    page.push_str(&line);
    page.push('\n');
}

#[test]
fn options_are_listed_once_with_all_that_is_to_be_known() {
    let verb = Command::new("make").about("Make a thing").arg(
        Arg::new("size")
            .long("size")
            .short('s')
            .value_name("N")
            .help("Size of <it>")
            .default_value("3")
            .env("X_SIZE"),
    );
    let noun = Command::new("thing")
        .arg(Arg::new("server").long("server").global(true).help("The server"))
        .subcommand(verb);
    let page = page(Command::new("tool").subcommand(noun).subcommand(Command::new("secret").hide(true)));
    assert!(page.contains("| [`thing make`](#thing-make) | Make a thing |"), "{page}");
    assert!(
        page.contains("- `-s, --size <N>`: Size of \\<it>. Default: `3`. Environment: `X_SIZE`.\n"),
        "{page}"
    );
    assert!(page.contains("tool thing make [OPTIONS]\n"), "{page}");
    assert_eq!(page.matches("`--server").count(), 1, "{page}");
    assert!(!page.contains("secret"), "{page}");
}
