//! Commands within sentences and tables name commands, options and verbs that there are.

use std::collections::BTreeSet;

use hero_supervisor::cli;
use pulldown_cmark::{Event, Parser};

use super::{all, read};

/// Returns the first word of a line that the command line does not know, by the commands and the names of their options. Values
/// and places for them are not looked at.
fn unknown_word(line: &str) -> Option<String> {
    let mut root = cli::command();
    root.build();
    let mut command = &root;
    let mut words = shlex::split(line)?.into_iter().skip(1).take_while(|word| word != "--");
    while let Some(word) = words.next() {
        let is_name = word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
        if let Some(option) = word.strip_prefix("--") {
            let (name, value) =
                option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            let has_name =
                |arg: &&clap::Arg| arg.get_long_and_visible_aliases().is_some_and(|all| all.contains(&name));
            let Some(arg) = command.get_arguments().find(has_name) else { return Some(word) };
            if arg.get_action().takes_values() && value.is_none() {
                words.next();
            }
        } else if let Some(inner) = command.find_subcommand(&word) {
            command = inner;
        } else if command.has_subcommands() && is_name {
            return Some(word);
        }
    }
    None
}

/// The verbs of the Makefile.
fn verbs() -> BTreeSet<String> {
    let makefile = read("Makefile");
    let targets = makefile.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name);
    targets
        .filter(|name| name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_command_in_a_sentence_is_one_that_there_is() {
    let (verbs, mut seen) = (verbs(), 0);
    for page in all() {
        for event in Parser::new(&read(&page)) {
            let Event::Code(code) = event else { continue };
            if code.starts_with("hero-supervisor ") {
                let unknown = unknown_word(&code);
                assert_eq!(unknown, None, "{page}: `{code}`");
            } else if let Some(verb) = code.strip_prefix("make ") {
                assert!(verbs.contains(verb), "{page}: `{code}`");
            } else {
                continue;
            }
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn what_the_command_line_does_not_know_is_found() {
    for (line, unknown) in [
        ("hero-supervisor actor ls --label team=a", None),
        ("hero-supervisor config check --config FILE", None),
        ("hero-supervisor actor update NAME …", None),
        ("hero-supervisor --server X info", None),
        ("hero-supervisor COMMAND --help", None),
        ("hero-supervisor actor list-all", Some("list-all")),
        ("hero-supervisor actor ls --lable a=b", Some("--lable")),
        ("hero-supervisor sevre", Some("sevre")),
    ] {
        assert_eq!(unknown_word(line).as_deref(), unknown, "{line}");
    }
}
