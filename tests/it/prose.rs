//! Rules of prose that a test can hold: how doc comments begin, and what a log line looks like.

use std::fs;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Chars;

/// Words that no doc comment of `src` begins with. A comment begins with a verb or a noun, and the noun of a pronoun stands in
/// the same sentence.
const NOT_FIRST: [&str; 17] = [
    "What", "Who", "Whom", "Whose", "Whether", "How", "Where", "Why", "Which", "When", "Those", "These",
    "They", "That", "It", "Its", "So",
];

#[test]
fn doc_comments_begin_with_a_verb_or_a_noun() {
    let mut found = Vec::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        found
            .extend(wrong_beginnings(&text).map(|(line, text)| format!("{}:{line}: {text}", file.display())));
    }
    assert!(found.is_empty(), "a doc comment begins with a verb or a noun:\n{}", found.join("\n"));
}

/// A log line is `subject: fact (detail)`. A line that is only a variable is the message of an event, made as one where it
/// is made.
#[test]
fn log_lines_name_their_subject_first() {
    let mut found = Vec::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        // Tests stand at the end of a file.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in log_lines(text).filter(|line| !has_subject(line)) {
            found.push(format!("{}: {line:?}", file.display()));
        }
    }
    assert!(found.is_empty(), "a log line is `subject: fact (detail)`:\n{}", found.join("\n"));
}

#[test]
fn log_lines_are_found_behind_their_fields() {
    let text = "tracing::warn!(%error, text = \"short\", \"Redis: away ({error})\");\ntracing::info!(\"plain\");\n\
                tracing::debug!(\n    \"a: \\\n     b\"\n);\n";
    let lines: Vec<String> = log_lines(text).collect();
    assert_eq!(lines, ["Redis: away ({error})", "plain", "a: b"]);
    assert!(has_subject("actor {name}: gone") && has_subject("{message}"));
    assert!(!has_subject("plain") && !has_subject("call failed, error {id}"));
}

fn has_subject(line: &str) -> bool {
    let is_message = line.starts_with('{') && line.ends_with('}') && !line.contains(' ');
    is_message || line.split_once(": ").is_some_and(|(subject, _)| !subject.is_empty() && subject.len() < 60)
}

/// The texts of the log lines of a source.
fn log_lines(text: &str) -> impl Iterator<Item = String> {
    text.split("tracing::").skip(1).filter_map(|call| {
        let level = call.split('!').next()?;
        let is_level = ["trace", "debug", "info", "warn", "error"].contains(&level);
        is_level.then(|| message(&call[level.len() + 1..])).flatten()
    })
}

/// The text of a log line: the first literal among the arguments of its macro that is no value of a field.
fn message(arguments: &str) -> Option<String> {
    let (mut depth, mut before) = (0, ' ');
    let mut chars = arguments.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return None,
            ')' => depth -= 1,
            '"' => {
                let text = literal(&mut chars);
                if depth == 1 && before != '=' {
                    return Some(text);
                }
            }
            _code => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    None
}

/// The rest of a literal, with the lines that a backslash continues in one.
fn literal(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' if chars.peek() == Some(&'\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    text
}

#[test]
fn beginnings_are_found_in_all_comments() {
    let text = "//! What is here.\n//!\n//! It is more.\n\n/// A noun.\n/// It goes on.\nfn f() {}\n\
                    /// Whether so.\nfn g() {}\n// What a plain comment says.\n/// Itself, a longer word.\n";
    let found: Vec<usize> = wrong_beginnings(text).map(|(line, _)| line).collect();
    assert_eq!(found, [1, 3, 8]);
}

/// The first lines of paragraphs in doc comments that begin with a word of [`NOT_FIRST`], with their numbers.
fn wrong_beginnings(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut before = None;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let comment = doc_comment(line);
        let is_first = std::mem::replace(&mut before, comment).is_none_or(str::is_empty);
        let comment = comment.filter(|_| is_first)?;
        let word = comment.split(|c: char| !c.is_alphanumeric()).next()?;
        NOT_FIRST.contains(&word).then_some((number + 1, comment))
    })
}

/// The text of a line of a doc comment.
fn doc_comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
    Some(rest.strip_prefix(' ').unwrap_or(rest).trim_end())
}

/// Every Rust file below.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
