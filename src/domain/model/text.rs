//! Texts of others in what we say: cut to a length, quoted, and looked through for what does not show.

use std::borrow::Cow;

/// Stands where a text was cut.
const MARK: char = '…';
/// Bytes of a text that a message quotes.
const QUOTED_BYTES: usize = 64;

/// The text, cut on a character boundary so that it has at most `bytes` bytes with the mark that says so.
pub(crate) fn cut(text: &str, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    let kept = text.floor_char_boundary(bytes.saturating_sub(MARK.len_utf8()));
    Cow::Owned(format!("{}{MARK}", &text[..kept]))
}

/// A caller's text, cut and escaped so that it can stand in a message.
pub(crate) fn quoted(raw: &str) -> String {
    format!("{:?}", cut(raw, QUOTED_BYTES))
}

/// The last of these lines that have at most `bytes` bytes together, none longer than half of that; oldest first.
pub(crate) fn last_lines(lines: &[String], bytes: usize) -> Vec<Cow<'_, str>> {
    let mut left = bytes;
    let mut last: Vec<Cow<'_, str>> = Vec::new();
    for line in lines.iter().rev() {
        let line = cut(line, bytes / 2);
        if line.len() > left {
            break;
        }
        left -= line.len();
        last.push(line);
    }
    last.reverse();
    last
}

/// Returns true if a text has characters that no terminal shows, or that change how others are shown: control
/// characters, marks of the direction of writing, and those without width.
pub(crate) fn has_hidden(text: &str) -> bool {
    text.chars().any(|c| {
        c.is_control()
            || matches!(
                c,
                '\u{ad}'
                    | '\u{61c}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{feff}'
            )
    })
}

/// Replaces `word` wherever it stands as a word of its own.
pub(crate) fn replace_word(text: &str, word: &str, replacement: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for at in places(text, word) {
        out.push_str(&text[done..at]);
        out.push_str(replacement);
        done = at + word.len();
    }
    out.push_str(&text[done..]);
    out
}

/// Returns whether [`replace_word`] would find the word.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    places(text, word).next().is_some()
}

/// Finds the places of `word` with no character of a name beside it: `a` is not found in `--actor-id`.
fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word).map(|(at, _word)| at).filter(move |at| {
        let (head, tail) = (&text[..*at], &text[*at + word.len()..]);
        !head.ends_with(of_name) && !tail.starts_with(of_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_says_so() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "lo…");
        assert_eq!(cut("ééééé", 6), "é…");
        assert_eq!(cut("日本語日本語", 4), "…");
    }

    #[test]
    fn the_last_lines_that_fit_are_kept() {
        let lines = ["first", "second", "third"].map(str::to_owned);
        assert_eq!(last_lines(&lines, 12), ["second", "third"]);
        assert_eq!(last_lines(&["x".repeat(99)], 20), ["xxxxxxx…"]);
        assert!(last_lines(&[], 20).is_empty());
    }

    #[test]
    fn what_does_not_show_is_found() {
        for shown in ["plain", "Größe 5", "日本語", "✓ 🦀"] {
            assert!(!has_hidden(shown), "{shown}");
        }
        for hidden in ["a\nb", "\u{1b}[2J", "\u{9b}2J", "a\u{202e}b", "a\u{200b}b", "\u{2066}", "\u{2028}"] {
            assert!(has_hidden(hidden), "{hidden:?}");
        }
    }

    proptest::proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn no_cut_text_is_longer_than_it_may_be(text in ".*", bytes in 3_usize..100) {
            let short = cut(&text, bytes);
            proptest::prop_assert!(short.len() <= bytes);
            proptest::prop_assert!(text.len() > bytes || short == text);
            proptest::prop_assert!(quoted(&text).len() <= QUOTED_BYTES * 10 + 2);
        }
    }
}
