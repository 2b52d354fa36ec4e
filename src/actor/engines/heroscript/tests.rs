use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Shared with parsers in other languages: texts, and what they mean or where they are wrong.
const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/heroscript.json");

/// Compares the meaning of each text with its vector. With `HERO_GENERATE` in the environment the vectors are written
/// anew, to be read before they are committed.
#[test]
fn texts_mean_what_the_vectors_say() {
    let committed = std::fs::read_to_string(VECTORS).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&committed).unwrap();
    assert!(cases.len() > 40);
    let fresh: Vec<Value> = cases.iter().map(meaning).collect();
    if std::env::var_os("HERO_GENERATE").is_some() {
        let lines: Vec<String> = fresh.iter().map(|case| format!("{:#}", Short(case))).collect();
        std::fs::write(VECTORS, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    }
    for (committed, fresh) in cases.iter().zip(&fresh) {
        assert_eq!(committed, fresh);
    }
}

/// A case on lines of its own: what goes in, what comes out.
struct Short<'a>(&'a Value);

impl std::fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs = self.0.as_object().unwrap().iter();
        let lines: Vec<String> = pairs.map(|(key, value)| format!("  {}: {value}", json!(key))).collect();
        write!(f, "{{\n{}\n}}", lines.join(",\n"))
    }
}

fn meaning(case: &Value) -> Value {
    let text = case["text"].as_str().unwrap();
    let mut fresh = json!({ "about": case["about"], "text": text });
    match parse(text) {
        Ok(playbook) => {
            fresh["actions"] = playbook.actions.iter().map(action).collect();
            fresh["printed"] = playbook.to_string().into();
        }
        Err(mistake) => {
            let Place { line, column } = mistake.place;
            fresh["mistake"] = json!({ "line": line, "column": column, "message": mistake.message });
        }
    }
    fresh
}

fn action(action: &Action) -> Value {
    let args: Vec<Value> = action.args.iter().map(|arg| json!([arg.key, arg.value])).collect();
    json!({
        "marks": action.kind.marks(),
        "actor": action.actor,
        "name": action.name,
        "args": args,
        "comment": action.comment,
        "line": action.place.line,
        "column": action.place.column,
    })
}

fn without_places(mut playbook: Playbook) -> Playbook {
    for action in &mut playbook.actions {
        action.place = Place::default();
        action.args.iter_mut().for_each(|arg| arg.place = Place::default());
    }
    playbook
}

fn any_action() -> impl Strategy<Value = Action> {
    let kind = prop_oneof![
        Just(ActionKind::Dal),
        Just(ActionKind::Sal),
        Just(ActionKind::Macro),
        Just(ActionKind::Wal)
    ];
    // Where a word begins, two slashes begin a comment.
    let key = "[a-z0-9_,./]{1,6}".prop_filter("a comment", |key| !key.starts_with("//"));
    let arg = (proptest::option::of(key), prop_oneof![any::<String>(), "[!/:'\"\\\\a \n\t]{0,6}"])
        .prop_map(|(key, value)| Arg { key, value, place: Place::default() });
    let args = proptest::collection::vec(arg, 0..8).prop_map(|mut args| {
        let mut seen = std::collections::BTreeSet::new();
        args.retain(|arg| arg.key.as_ref().is_none_or(|key| seen.insert(key.clone())));
        args
    });
    let lines = proptest::collection::vec("([^ \t\r\n]([^\n]*[^ \t\r\n])?)?", 1..3);
    let comment = proptest::option::of(lines.prop_map(|lines| lines.join("\n")));
    (kind, "[a-z_][a-z0-9_]{0,6}", "[a-z_][a-z0-9_]{0,6}", args, comment).prop_map(
        |(kind, actor, name, args, comment)| Action {
            kind,
            actor,
            name,
            args,
            comment,
            place: Place::default(),
        },
    )
}

proptest! {
    #![proptest_config(crate::properties::config())]

    #[test]
    fn what_is_printed_means_the_same(actions in proptest::collection::vec(any_action(), 0..5)) {
        let playbook = Playbook { actions };
        let text = playbook.to_string();
        prop_assert_eq!(without_places(parse(&text).unwrap()), playbook, "{}", text);
    }

    #[test]
    fn any_text_has_a_meaning_or_a_mistake_with_a_place(text in any::<String>()) {
        check_any(&text);
    }

    #[test]
    fn texts_that_look_like_playbooks_do_no_harm(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("!!"), Just("!"), Just("a.b"), Just(" k:"), Just("'"), Just("\""), Just("\\"), Just("\n"),
                Just("  "), Just("\t"), Just("//"), Just("x"), Just(":"), Just("é"), Just("\r\n"), Just("["),
            ],
            0..40,
        )
    ) {
        check_any(&parts.concat());
    }
}

/// Checks that a text is refused at a position inside of it, or parsed, printed and parsed again to the same.
fn check_any(text: &str) {
    match parse(text) {
        Ok(playbook) => {
            let again = parse(&playbook.to_string()).unwrap();
            assert_eq!(without_places(again), without_places(playbook));
        }
        Err(Mistake { message, place }) => {
            let line = text.split('\n').nth(place.line as usize - 1).unwrap();
            assert!(place.column as usize <= line.chars().count() + 1, "{place:?} in {text:?}");
            assert!(!message.is_empty());
        }
    }
}

#[test]
fn a_mistake_says_where_it_is() {
    let mistake = parse("text\n!!a.b 'x").unwrap_err();
    assert_eq!(mistake.to_string(), "line 2, column 7: the quote ' that begins here is never closed");
}

#[test]
fn an_action_has_a_bounded_number_of_arguments() {
    assert!(parse(&format!("!!a.b{}", " x".repeat(1000))).is_ok());
    assert!(parse(&format!("!!a.b{}", " x".repeat(1001))).is_err());
}
