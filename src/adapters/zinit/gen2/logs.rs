//! The lines of services as Zinit writes them: which are a service's own, where its last life begins, and which come a
//! second time.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::domain::model::output::LogStream;
use crate::ports::process_manager::LogLine;

/// Line that Zinit itself writes into a log when it starts a service.
const START_MARK: &str = "------------ [start] ------------";
/// Lines that are remembered to be recognised; twice of what Zinit keeps by default, for all services together.
const REMEMBERED: usize = 4096;

/// Reads `[+] name: text` (standard output) and `[-] name: text`; None for what is not of this service, and for the mark
/// of a start.
pub(super) fn line(name: &str, raw: &str) -> Option<LogLine> {
    let (stream, text) = taken_apart(name, raw)?;
    (text != START_MARK).then(|| LogLine { at: None, stream, text: text.to_owned() })
}

fn taken_apart<'a>(name: &str, raw: &'a str) -> Option<(LogStream, &'a str)> {
    let (mark, rest) = raw.split_at_checked(4)?;
    let stream = match mark {
        "[+] " => LogStream::Stdout,
        "[-] " => LogStream::Stderr,
        _other => return None,
    };
    let text = rest.strip_prefix(name)?.strip_prefix(':')?;
    Some((stream, text.strip_prefix(' ').unwrap_or(text).trim_end_matches(['\n', '\r'])))
}

/// The lines that a service wrote since it was started last.
pub(super) fn last_life(name: &str, kept: &[String]) -> Vec<LogLine> {
    let is_start = |raw: &String| taken_apart(name, raw).is_some_and(|(_stream, text)| text == START_MARK);
    let from = kept.iter().rposition(is_start).unwrap_or(0);
    kept[from..].iter().filter_map(|raw| line(name, raw)).collect()
}

/// The last lines that were read of a service, to recognise them when they come again.
#[derive(Debug, Default)]
pub(super) struct Read {
    lines: VecDeque<u64>,
    /// Older ones were forgotten.
    is_cut: bool,
}

impl Read {
    pub(super) fn push(&mut self, raw: &str) {
        self.lines.push_back(hash(raw));
        if self.lines.len() > REMEMBERED {
            self.lines.pop_front();
            self.is_cut = true;
        }
    }

    /// Another Zinit keeps nothing of what was read before.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the number of Zinit's kept lines that were read already: the lines that were read last are where both
    /// overlap. Zinit may have dropped older lines since, and has kept all that came later.
    pub(super) fn among(&self, kept: &[String]) -> usize {
        let kept: Vec<u64> = kept.iter().map(|raw| hash(raw)).collect();
        let most = if self.is_cut { kept.len() } else { kept.len().min(self.lines.len()) };
        let fits = |read: &usize| {
            let overlap = self.lines.len().min(*read);
            self.lines.iter().rev().zip(kept[..*read].iter().rev()).take(overlap).all(|(a, b)| a == b)
        };
        (1..=most).rev().find(fits).unwrap_or(0)
    }
}

fn hash(raw: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    raw.hash(&mut hasher);
    hasher.finish()
}

/// Recognises lines that come a second time: a run of them that ends where the known lines end.
pub(super) struct Repeated {
    known: Vec<String>,
    /// Places in `known` at which runs may have begun that fit the received lines.
    runs: Vec<usize>,
    heard: Vec<String>,
    over: bool,
}

impl Repeated {
    pub(super) fn new(known: Vec<String>) -> Self {
        let (runs, over) = ((0..known.len()).collect(), known.is_empty());
        Self { known, runs, heard: Vec::new(), over }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Takes a line; answers with those that are new for certain.
    pub(super) fn hear(&mut self, line: String) -> Vec<String> {
        if self.over {
            return vec![line];
        }
        let at = self.heard.len();
        self.runs.retain(|begin| self.known.get(begin + at) == Some(&line));
        self.heard.push(line);
        match self.runs.first() {
            // Nothing that is known begins like this.
            None => self.end(),
            // The longest run is through.
            Some(begin) if begin + self.heard.len() == self.known.len() => {
                self.over = true;
                self.heard.clear();
                Vec::new()
            }
            Some(_begin) => Vec::new(),
        }
    }

    /// No more will come at once: what was heard and is no whole run was new.
    pub(super) fn end(&mut self) -> Vec<String> {
        self.over = true;
        std::mem::take(&mut self.heard)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn heard(known: &[&str], coming: &[&str]) -> Vec<String> {
        let mut repeated = Repeated::new(owned(known));
        let mut new: Vec<String> = owned(coming).into_iter().flat_map(|line| repeated.hear(line)).collect();
        new.extend(repeated.end());
        new
    }

    fn among(read: &[&str], kept: &[&str]) -> usize {
        let mut known = Read::default();
        read.iter().for_each(|raw| known.push(raw));
        known.among(&owned(kept))
    }

    #[test]
    fn recorded_lines_are_taken_apart() {
        let read = |raw: &str| line("tk", raw).map(|line| (line.stream, line.text));
        assert_eq!(read("[+] tk: tick"), Some((LogStream::Stdout, "tick".to_owned())));
        assert_eq!(read("[-] tk: a: b"), Some((LogStream::Stderr, "a: b".to_owned())));
        assert_eq!(read("[-] tk: ------------ [start] ------------"), None);
        for foreign in ["[+] tk2: x", "[+] t: x", "tk: x", "", "[+]", "[ä] tk: x"] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn the_last_life_begins_at_the_last_start() {
        let start = "[-] lg: ------------ [start] ------------";
        let texts = |kept: &[&str]| {
            last_life("lg", &owned(kept)).into_iter().map(|line| line.text).collect::<Vec<_>>()
        };
        assert_eq!(texts(&[start, "[+] lg: a", start, "[+] lg: b"]), ["b"]);
        assert_eq!(texts(&[start, "[+] lg: a", start]), [""; 0], "it has not said anything yet");
        assert_eq!(texts(&["[+] lg: a"]), ["a"], "the mark is no longer kept");
        let other = "[-] lg2: ------------ [start] ------------";
        assert_eq!(texts(&[start, "[+] lg: a", other]), ["a"]);
    }

    #[test]
    fn what_was_read_is_found_where_it_ends() {
        assert_eq!(among(&["a", "b"], &["a", "b", "c"]), 2);
        assert_eq!(among(&["a", "b"], &["b", "c"]), 1, "the oldest is gone by now");
        assert_eq!(among(&["t", "t", "t"], &["t", "t", "t", "t"]), 3);
        assert_eq!(among(&["up"], &["up", "up"]), 1, "the same was written once more");
        assert_eq!(among(&["a", "b"], &["c"]), 0);
        assert_eq!(among(&[], &["a"]), 0);
        let many: Vec<String> = (0..REMEMBERED + 10).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(among(&many[..REMEMBERED + 5], &many), REMEMBERED + 5, "more is kept than remembered");
    }

    #[test]
    fn what_comes_a_second_time_is_left_out() {
        assert_eq!(heard(&["a", "b", "c"], &["a", "b", "c", "d"]), ["d"]);
        assert_eq!(heard(&["a", "b", "c"], &["b", "c", "d"]), ["d"], "the subscription began between");
        assert_eq!(heard(&["t", "t", "t"], &["t", "t", "t", "t"]), ["t"]);
        assert_eq!(heard(&[], &["a"]), ["a"]);
    }

    #[test]
    fn what_is_new_is_kept() {
        assert_eq!(heard(&["a", "b"], &["c", "d"]), ["c", "d"]);
        assert_eq!(heard(&["a", "b", "c"], &["a", "b", "x"]), ["a", "b", "x"], "only the begin was the same");
        assert_eq!(heard(&["a", "b", "c"], &["a"]), ["a"]);
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        /// Whatever is written between the steps of a begin: each line is read once, in order.
        #[test]
        fn a_begin_reads_each_line_once(steps in proptest::collection::vec(0_usize..6, 5), window in 3_usize..40) {
            let all: Vec<String> = (0..steps.iter().sum::<usize>()).map(|number| number.to_string()).collect();
            let at = |step: usize| steps[..step].iter().sum::<usize>();
            let kept = |step: usize| all[at(step).saturating_sub(window)..at(step)].to_vec();
            let (mut read, mut seen) = (Read::default(), Vec::new());
            // Kept at 1, subscribed at 2, kept once more at 3, and the rest comes until 5.
            let mut unread = kept(1).split_off(read.among(&kept(1)));
            unread.iter().for_each(|raw| read.push(raw));
            seen.append(&mut unread);
            let between = kept(3).split_off(read.among(&kept(3)));
            between.iter().for_each(|raw| read.push(raw));
            seen.extend(between.iter().cloned());
            let mut repeated = Repeated::new(between);
            for raw in &all[at(2)..] {
                seen.extend(repeated.hear(raw.clone()));
            }
            seen.extend(repeated.end());
            let first = at(1).saturating_sub(window);
            // More than Zinit keeps may have been written between the first two looks.
            prop_assume!(at(3) - at(1) <= window);
            prop_assert_eq!(seen, &all[first..]);
        }
    }
}
