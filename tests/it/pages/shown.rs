//! Commands of a block, and whether they print what the page shows.

/// A command, and the lines that a page shows below it.
#[derive(Debug, PartialEq)]
pub(super) struct Typed {
    pub(super) command: String,
    pub(super) shown: Vec<String>,
}

/// The commands of a session: `$ ` begins one, `> ` goes on with it, everything else is shown.
pub(super) fn session(text: &str) -> Vec<Typed> {
    let mut all: Vec<Typed> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            all.push(Typed { command: command.to_owned(), shown: Vec::new() });
        } else if let Some(last) = all.last_mut() {
            match line.strip_prefix("> ") {
                Some(more) if last.shown.is_empty() => last.command.extend(["\n", more]),
                _ => last.shown.push(line.to_owned()),
            }
        }
    }
    all
}

/// Whether output is as shown. `…` stands for any text in a line; alone, for any number of lines.
pub(super) fn matches(shown: &[String], output: &[&str]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return output.is_empty() };
    if first.trim() == "…" {
        return (0..=output.len()).any(|skipped| matches(rest, &output[skipped..]));
    }
    output
        .split_first()
        .is_some_and(|(line, left)| line_matches(first.trim_end(), line.trim_end()) && matches(rest, left))
}

fn line_matches(shown: &str, line: &str) -> bool {
    match shown.split_once('…') {
        None => shown == line,
        Some((before, after)) => line.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| line_matches(after, &rest[at..]))
        }),
    }
}

#[test]
fn output_matches_what_is_shown_with_gaps() {
    let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&shown("a … c\n…\nd"), &["a b c", "x", "y", "d"]));
    assert!(matches(&shown("a…"), &["a"]));
    assert!(!matches(&shown("a … c"), &["a c"]));
    assert!(!matches(&shown("a"), &["a", "b"]));
    assert!(!matches(&shown(""), &["b"]));
}

#[test]
fn a_session_is_read_as_commands_and_what_they_print() {
    let typed = session("$ cat <<X\n> a\n> X\na\n$ true\n");
    let expected = [("cat <<X\na\nX", vec!["a".to_owned()]), ("true", vec![])];
    let expected: Vec<_> =
        expected.into_iter().map(|(command, shown)| Typed { command: command.to_owned(), shown }).collect();
    assert_eq!(typed, expected);
}
