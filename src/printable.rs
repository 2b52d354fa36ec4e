//! Texts of others as they may be shown: control characters cannot move a cursor, set a clipboard, hide a line or forge one.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns true for a character that a terminal would take for an order, or that would mislead a reader.
fn is_control(c: char) -> bool {
    // C0, DEL and C1; marks, embeddings, overrides and isolates of bidirectional text.
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_shown = |c: char| !is_control(c) || stays(c);
    if text.chars().all(is_shown) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if is_shown(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => {
                let written = write!(out, "\\u{{{:x}}}", u32::from(c));
                debug_assert!(written.is_ok(), "writing to a string cannot fail");
            }
        }
    }
    Cow::Owned(out)
}

/// A text with line ends and tabs as they are, and all other control characters as escapes such as `\u{1b}`.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

/// A text on one line: line ends and tabs are escapes as well.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, |_c| false)
}

/// JSON that means the same, with the control characters that JSON allows in texts as its escapes.
pub(crate) fn printable_json(json: &str) -> Cow<'_, str> {
    let is_shown = |c: char| !is_control(c) || matches!(c, '\n' | '\t');
    if json.chars().all(is_shown) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_shown(c) {
            out.push(c);
        } else {
            let written = write!(out, "\\u{:04x}", u32::from(c));
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVIL: &str = "\x1b]52;c;x\x07\u{9b}31m\rfake\x08\0\u{7f}\u{202e}\u{2066}";

    #[test]
    fn orders_to_a_terminal_are_shown_and_not_given() {
        let shown = r"\u{1b}]52;c;x\u{7}\u{9b}31m\u{d}fake\u{8}\u{0}\u{7f}\u{202e}\u{2066}";
        assert_eq!(printable(EVIL), shown);
        assert_eq!(one_line(EVIL), shown);
        assert_eq!(printable("a\n\tb"), "a\n\tb");
        assert_eq!(one_line("a\n\tb"), r"a\n\tb");
        assert!(matches!(printable("grüße 😀 日本"), Cow::Borrowed(_)));
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn nothing_that_is_shown_controls(text in any::<String>()) {
            let bad = |c: char| is_control(c);
            prop_assert!(!one_line(&text).chars().any(bad));
            prop_assert!(!printable(&text).chars().any(|c| bad(c) && c != '\n' && c != '\t'));
        }

        #[test]
        fn json_means_the_same(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let shown = printable_json(&json);
            prop_assert!(!shown.chars().any(is_control));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
