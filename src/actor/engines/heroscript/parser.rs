//! Parser: from a text to a playbook.

use super::{Action, ActionKind, Arg, Mistake, Place, Playbook};

/// Spaces by which a line must be indented to belong to the action above it.
const CONTINUED: usize = 2;
/// Spaces that a tab counts for in front of a line.
const TAB: usize = 4;
/// Arguments of one action; more are a mistake in the text.
const MAX_ARGS: usize = 1000;
/// Actor of an action that names none.
const CORE: &str = "core";

/// Reads a text.
///
/// # Errors
/// The first mistake in it.
pub fn parse(text: &str) -> Result<Playbook, Mistake> {
    let mut cursor = Cursor { rest: text.strip_prefix('\u{feff}').unwrap_or(text), place: START };
    let common = common_indent(cursor.rest);
    if cursor.rest.starts_with("#!") {
        cursor.skip_line();
    }
    let mut actions: Vec<Action> = Vec::new();
    let mut open = false;
    let mut comment: Option<String> = None;
    while !cursor.rest.is_empty() {
        let indent = cursor.skip_indent();
        if cursor.at_end_of_line() {
            comment = None;
            cursor.skip_line();
        } else if let Some(kind) = cursor.marks()? {
            actions.push(action(&mut cursor, kind, comment.take())?);
            open = true;
        } else if let Some(action) = actions.last_mut()
            && open
            && indent >= common + CONTINUED
            && !cursor.rest.starts_with('!')
        {
            args(&mut cursor, action)?;
        } else {
            open = false;
            let line = cursor.skip_line();
            comment = line.strip_prefix("//").map(|line| {
                let line = line.trim_matches(is_space);
                comment.take().map_or_else(|| line.to_owned(), |above| format!("{above}\n{line}"))
            });
        }
    }
    Ok(Playbook { actions })
}

/// Returns true for a character that separates arguments.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn common_indent(text: &str) -> usize {
    let lines = text.split('\n').enumerate();
    let counted = lines.filter(|(number, line)| *number > 0 || !line.starts_with("#!")).map(|(_, line)| line);
    let indents = counted
        .filter(|line| !line.trim_matches(is_space).is_empty())
        .map(|line| line.chars().take_while(|c| *c != '\n' && is_space(*c)).map(width).sum::<usize>());
    indents.min().unwrap_or(0)
}

fn width(c: char) -> usize {
    match c {
        '\t' => TAB,
        '\r' => 0,
        _ => 1,
    }
}

/// Parses the part behind the marks: the names, and the arguments on the same line.
fn action(cursor: &mut Cursor<'_>, marks: Marks, comment: Option<String>) -> Result<Action, Mistake> {
    let Marks { kind, place } = marks;
    let mut names: Vec<String> = vec![String::new()];
    while let Some(c) = cursor.peek().filter(|c| !is_space(*c)) {
        let both = names.len() == 2;
        match (c, names.last_mut()) {
            ('.', _) if both => {
                return cursor.mistake("an action has at most two names: write !!actor.action");
            }
            ('.', Some(name)) if !name.is_empty() => names.push(String::new()),
            ('a'..='z' | 'A'..='Z' | '_', Some(name)) => name.push(c.to_ascii_lowercase()),
            ('0'..='9', Some(name)) if !name.is_empty() => name.push(c),
            ('-', Some(name)) if !name.is_empty() => name.push('_'),
            _ => {
                let message = "the name of an action is made of letters, digits and _, and begins with none of \
                               the digits: write !!actor.action";
                return cursor.mistake(message);
            }
        }
        cursor.next();
    }
    if names.last().is_none_or(String::is_empty) {
        return cursor.mistake("the name of the action is missing: write !!actor.action");
    }
    let name = names.pop().unwrap_or_default();
    let actor = names.pop().unwrap_or_else(|| CORE.to_owned());
    let mut action = Action { kind, actor, name, args: Vec::new(), comment, place };
    args(cursor, &mut action)?;
    Ok(action)
}

/// The arguments up to the end of the line; quoted ones may take it further down.
fn args(cursor: &mut Cursor<'_>, action: &mut Action) -> Result<(), Mistake> {
    loop {
        cursor.skip_spaces();
        if cursor.at_end_of_line() || cursor.rest.starts_with("//") {
            cursor.skip_line();
            return Ok(());
        }
        let place = cursor.place;
        if action.args.len() == MAX_ARGS {
            return cursor.mistake(&format!("an action has at most {MAX_ARGS} arguments"));
        }
        let key = cursor.take_key();
        if let Some(key) = &key
            && action.get(key).is_some()
        {
            let message = format!("{key:?} is given twice");
            return Err(Mistake { message, place });
        }
        let value = match key {
            Some(_) => value_of_key(cursor)?,
            None => value(cursor)?,
        };
        action.args.push(Arg { key, value, place });
    }
}

/// Parses the part behind the colon of a key.
fn value_of_key(cursor: &mut Cursor<'_>) -> Result<String, Mistake> {
    if cursor.peek().is_some_and(|c| !is_space(c)) {
        return value(cursor);
    }
    cursor.skip_spaces();
    if cursor.at_end_of_line() || cursor.rest.starts_with("//") || cursor.key().is_some() {
        return Ok(String::new());
    }
    value(cursor)
}

fn value(cursor: &mut Cursor<'_>) -> Result<String, Mistake> {
    match cursor.peek() {
        Some(quote @ ('\'' | '"')) => quoted(cursor, quote),
        _ => {
            let end = cursor.rest.find(is_space).unwrap_or(cursor.rest.len());
            Ok(cursor.take(end).to_owned())
        }
    }
}

fn quoted(cursor: &mut Cursor<'_>, quote: char) -> Result<String, Mistake> {
    let begin = cursor.place;
    cursor.next();
    let mut value = String::new();
    loop {
        let place = cursor.place;
        match cursor.next() {
            None => {
                let message = format!("the quote {quote} that begins here is never closed");
                return Err(Mistake { message, place: begin });
            }
            Some(c) if c == quote => break,
            Some('\\') => value.push(match cursor.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(c @ ('\\' | '\'' | '"')) => c,
                _ => {
                    let message =
                        r#"this escape is not known: there are \\ \' \" \n \r and \t; write \\ for \"#;
                    return Err(Mistake { message: message.to_owned(), place });
                }
            }),
            Some(c) => value.push(c),
        }
    }
    match cursor.peek() {
        Some(c) if !is_space(c) => cursor
            .mistake("a space must follow a closing quote; write \\ in front of a quote inside the value"),
        _ => Ok(value),
    }
}

const START: Place = Place { line: 1, column: 1 };

/// The rest of a text, and the position at which it begins.
struct Cursor<'a> {
    rest: &'a str,
    place: Place,
}

/// The marks of an action that was found.
struct Marks {
    kind: ActionKind,
    place: Place,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '\n' => self.place = Place { line: self.place.line.saturating_add(1), column: 1 },
            _ => self.place.column = self.place.column.saturating_add(1),
        }
        Some(c)
    }

    /// Takes this many bytes, in which no line ends.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        let characters = u32::try_from(taken.chars().count()).unwrap_or(u32::MAX);
        self.place.column = self.place.column.saturating_add(characters);
        taken
    }

    /// Takes what is left of the line, and its end.
    fn skip_line(&mut self) -> &'a str {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let line = self.take(end);
        self.next();
        line
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(|c| c != '\n' && is_space(c)) {
            self.next();
        }
    }

    /// Takes the spaces in front of a line. Returns the indentation.
    fn skip_indent(&mut self) -> usize {
        let before = self.rest;
        self.skip_spaces();
        let taken = before.get(..before.len() - self.rest.len()).unwrap_or_default();
        taken.chars().map(width).sum()
    }

    fn at_end_of_line(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with('\n')
    }

    /// Takes the marks of an action; None in front of anything else.
    fn marks(&mut self) -> Result<Option<Marks>, Mistake> {
        let name = self.rest.trim_start_matches('!');
        let count = self.rest.len() - name.len();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        // `![` is a picture in Markdown, and a single mark is often just one.
        if count == 0 || name.starts_with('[') || count == 1 && !is_name {
            return Ok(None);
        }
        let place = self.place;
        let Some(kind) = ActionKind::of_marks(count) else {
            return self
                .mistake(&format!("an action begins with one to four exclamation marks, not with {count}"));
        };
        self.take(count);
        Ok(Some(Marks { kind, place }))
    }

    /// The key that begins here.
    fn key(&self) -> Option<&'a str> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ',' | '.' | '/');
        let end = self.rest.find(|c| !allowed(c))?;
        let (key, rest) = self.rest.split_at_checked(end)?;
        (!key.is_empty() && rest.starts_with(':') && !rest.starts_with("://")).then_some(key)
    }

    /// Takes a key and its colon.
    fn take_key(&mut self) -> Option<String> {
        let key = self.key()?;
        self.take(key.len() + 1);
        Some(key.to_ascii_lowercase())
    }

    fn mistake<T>(&self, message: &str) -> Result<T, Mistake> {
        Err(Mistake { message: message.to_owned(), place: self.place })
    }
}
