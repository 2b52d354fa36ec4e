//! Cursors of readers of the event log: one position for each stream that is read.
//!
//! Order is kept within a stream, not between streams, so a single number could not say what was read and what not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;

/// The form of the text.
const VERSION: char = '1';
/// The letter of all queues that are not the default one of a script type, and the sign behind their names.
const NAMED: char = 'q';
const BEHIND_NAME: char = '~';
/// A longer text is not ours. A position in a named queue has up to 93 bytes, and a filter up to 20 queues.
const LONGEST: usize = 2048;

/// A part of the log that has an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventStream {
    /// The stream of all events but those of jobs.
    Control,
    /// The jobs of a queue.
    Jobs(QueueName),
}

impl EventStream {
    /// True for the jobs of a queue that was created by name.
    pub fn is_of_named_queue(self) -> bool {
        matches!(self, Self::Jobs(queue) if queue.default_type().is_none())
    }

    /// The letter that stands for it in a cursor.
    fn letter(self) -> char {
        match self {
            Self::Control => 'k',
            Self::Jobs(queue) => queue.default_type().map_or(NAMED, letter_of),
        }
    }

    fn of_letter(letter: char) -> Option<Self> {
        let of_types = ScriptType::ALL.into_iter().find(|script_type| letter_of(*script_type) == letter);
        match letter {
            'k' => Some(Self::Control),
            _letter_of_a_type => of_types.map(|script_type| Self::Jobs(script_type.into())),
        }
    }

    /// A place in it, as text.
    pub(crate) fn word(self, at: Position) -> String {
        let name = match self {
            Self::Jobs(queue) if queue.default_type().is_none() => format!("{queue}{BEHIND_NAME}"),
            Self::Control | Self::Jobs(_) => String::new(),
        };
        format!("{}{name}{:x}-{:x}", self.letter(), at.millis, at.sequence)
    }

    fn of_word(word: &str) -> Option<(Self, Position)> {
        let letter = word.chars().next()?;
        let (stream, place) = match (letter, &word[letter.len_utf8()..]) {
            (NAMED, rest) => {
                let (name, place) = rest.split_once(BEHIND_NAME)?;
                let queue = QueueName::parse(name).ok().filter(|queue| queue.default_type().is_none())?;
                (Self::Jobs(queue), place)
            }
            (letter, place) => (Self::of_letter(letter)?, place),
        };
        let (millis, sequence) = place.split_once('-')?;
        let number = |text: &str| {
            let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase());
            u64::from_str_radix(text, 16).ok().filter(|_number| plain)
        };
        let position = Position { millis: number(millis)?, sequence: number(sequence)? };
        (position <= Position::END).then_some((stream, position))
    }
}

/// The letter of a default queue.
fn letter_of(script_type: ScriptType) -> char {
    match script_type {
        ScriptType::OSIS => 'o',
        ScriptType::SAL => 's',
        ScriptType::V => 'v',
        ScriptType::Python => 'p',
    }
}

/// A place in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Milliseconds since 1970 by the clock of the log.
    pub millis: u64,
    /// Counts what came in the same millisecond.
    pub sequence: u64,
}

impl Position {
    /// The position before all others.
    pub const START: Position = Position { millis: 0, sequence: 0 };
    /// After everything: no log has later ones, and no text stands for one.
    pub const END: Position = Position { millis: i64::MAX.cast_unsigned(), sequence: u64::MAX };

    /// The first place of a moment.
    pub fn at(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).min(Self::END.millis);
        Self { millis, sequence: 0 }
    }

    /// The moment.
    pub fn time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_millis(self.millis))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// The place right before it.
    pub fn before(self) -> Self {
        match (self.millis, self.sequence) {
            (0, 0) => Self::START,
            (millis, 0) => Self { millis: millis - 1, sequence: u64::MAX },
            (millis, sequence) => Self { millis, sequence: sequence - 1 },
        }
    }

    /// Parses the form that [`Display`](fmt::Display) gives.
    pub fn parse(text: &str) -> Option<Self> {
        let (millis, sequence) = text.split_once('-')?;
        let position = Self { millis: millis.parse().ok()?, sequence: sequence.parse().ok()? };
        (position <= Self::END).then_some(position)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}

/// The place of a reader: in each stream everything up to a position was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor {
    at: BTreeMap<EventStream, Position>,
}

impl Cursor {
    /// The same position in each of these streams.
    pub fn all_at(streams: &BTreeSet<EventStream>, position: Position) -> Self {
        Self { at: streams.iter().map(|stream| (*stream, position)).collect() }
    }

    /// The streams and the positions in them.
    pub fn iter(&self) -> impl Iterator<Item = (EventStream, Position)> + '_ {
        self.at.iter().map(|(stream, position)| (*stream, *position))
    }

    /// The position in a stream, if it is one of those that are read.
    pub fn get(&self, stream: EventStream) -> Option<Position> {
        self.at.get(&stream).copied()
    }

    /// Goes to a position.
    pub fn set(&mut self, stream: EventStream, position: Position) {
        self.at.insert(stream, position);
    }

    /// True when it stands at or behind `goal` in each of its own streams that the goal has.
    pub fn has_reached(&self, goal: &Self) -> bool {
        self.iter().all(|(stream, position)| goal.get(stream).is_none_or(|goal| position >= goal))
    }

    /// The part of it that is about these streams; None when it lacks one of them.
    pub fn part(&self, streams: &BTreeSet<EventStream>) -> Option<Self> {
        let each = streams.iter().map(|stream| self.get(*stream).map(|position| (*stream, position)));
        each.collect::<Option<_>>().map(|at| Self { at })
    }

    /// The text for callers.
    pub fn encode(&self) -> String {
        let words: Vec<String> = self.iter().map(|(stream, position)| stream.word(position)).collect();
        format!("{VERSION}{}", words.join("."))
    }

    /// Decodes a cursor; None for a text that is none of ours.
    pub fn decode(text: &str) -> Option<Self> {
        let words = text.strip_prefix(VERSION).filter(|_words| text.len() <= LONGEST)?;
        let mut at = BTreeMap::new();
        for word in words.split('.') {
            let (stream, position) = EventStream::of_word(word)?;
            if at.insert(stream, position).is_some() {
                return None;
            }
        }
        Some(Self { at })
    }
}

impl FromIterator<(EventStream, Position)> for Cursor {
    fn from_iter<I: IntoIterator<Item = (EventStream, Position)>>(positions: I) -> Self {
        Self { at: positions.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        [
            (EventStream::Control, Position { millis: 1_763_942_400_123, sequence: 4 }),
            (EventStream::Jobs(ScriptType::Python.into()), Position::START),
            (EventStream::Jobs(QueueName::parse("python-gpu").unwrap()), Position { millis: 1, sequence: 2 }),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn a_cursor_survives_its_text() {
        assert_eq!(Cursor::decode(&cursor().encode()), Some(cursor()));
    }

    #[test]
    fn a_cursor_in_as_many_queues_as_a_filter_has_is_read() {
        let name = |n: usize| QueueName::parse(&format!("{n:02}{}", "q".repeat(61))).unwrap();
        let last = Position { millis: 1_763_942_400_123, sequence: u64::MAX };
        let streams = (0..20).map(|n| EventStream::Jobs(name(n))).chain([EventStream::Control]);
        let far: Cursor = streams.map(|stream| (stream, last)).collect();
        assert_eq!(Cursor::decode(&far.encode()), Some(far));
    }

    #[test]
    fn a_cursor_of_other_streams_is_not_taken_for_one_of_these() {
        let all: BTreeSet<EventStream> =
            [EventStream::Control, EventStream::Jobs(ScriptType::V.into())].into_iter().collect();
        assert_eq!(cursor().part(&all), None);
        let control = [EventStream::Control].into_iter().collect();
        assert!(cursor().part(&control).is_some());
    }

    #[test]
    fn the_place_before_is_the_one_before() {
        let place = |millis, sequence| Position { millis, sequence };
        assert_eq!(place(5, 3).before(), place(5, 2));
        assert_eq!(place(5, 0).before(), place(4, u64::MAX));
        assert_eq!(Position::START.before(), Position::START);
    }

    #[test]
    fn a_place_that_no_log_can_have_is_no_cursor() {
        let last = format!("1k{:x}-{:x}", i64::MAX, u64::MAX);
        assert_eq!(Cursor::decode(&last).and_then(|at| at.get(EventStream::Control)), Some(Position::END));
        for far in
            ["1k8000000000000000-0", "1kffffffffffffffff-ffffffffffffffff", "1o0-0.kffffffffffffffff-0"]
        {
            assert_eq!(Cursor::decode(far), None, "{far}");
        }
    }

    proptest::proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn no_other_text_is_taken_for_a_cursor(text in ".{0,60}") {
            if let Some(cursor) = Cursor::decode(&text) {
                let again = Cursor::decode(&cursor.encode());
                proptest::prop_assert_eq!(again, Some(cursor));
            }
        }
    }
}
