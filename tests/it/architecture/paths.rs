//! The two paths in `src/lib.rs`: every file is there, and one hands the request on to the next.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Most files through which a path leads.
const LONGEST: usize = 14;

/// A step of a path: its file, and the files that it asks.
struct Step {
    file: String,
    asks: Vec<String>,
}

#[test]
fn the_paths_of_the_map_lead_from_file_to_file() {
    let map = fs::read_to_string(source("lib.rs")).unwrap();
    for title in ["# One RunJob, end to end", "# One StartActor, end to end"] {
        let steps = steps(&map, title);
        assert!((5..=LONGEST).contains(&steps.len()), "{title} has {} steps", steps.len());
        let all: BTreeSet<&String> =
            steps.iter().flat_map(|step| step.asks.iter().chain([&step.file])).collect();
        let named: usize = steps.iter().map(|step| 1 + step.asks.len()).sum();
        assert_eq!(all.len(), named, "{title} has a file twice");
        let mut before = String::new();
        for step in &steps {
            let own = read(&step.file);
            let asked: Vec<String> = step.asks.iter().map(|file| read(file)).collect();
            for (file, text) in step.asks.iter().zip(&asked) {
                let known = calls_of(text)
                    .iter()
                    .any(|call| own.contains(call) || calls_of(&own).iter().any(|back| text.contains(back)));
                assert!(known, "{}: does not ask {file}", step.file);
            }
            let reached = before.is_empty()
                || calls_of(&own)
                    .iter()
                    .any(|call| before.contains(call) || asked.iter().any(|text| text.contains(call)));
            assert!(reached, "{title}: no file above {} calls it", step.file);
            before.push_str(&own);
            before.extend(asked);
        }
    }
}

/// The steps of the table below a title.
fn steps(map: &str, title: &str) -> Vec<Step> {
    let (_before, table) = map.split_once(title).unwrap();
    let rows = table.lines().skip_while(|line| !line.starts_with("//! |---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with("//! |"));
    let files =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let [file] = &files(cells[2])[..] else { panic!("{row} has no file") };
        Step { file: file.clone(), asks: files(cells[3]) }
    })
    .collect()
}

/// How the functions of a file are called: `name(`, and `Function::Name` for a function in Redis.
fn calls_of(text: &str) -> BTreeSet<String> {
    let named = |before: &str, after: char| -> Vec<String> {
        let rests = text.split(before).skip(1);
        rests.filter_map(|rest| rest.split_once(after)).map(|(name, _rest)| name.to_owned()).collect()
    };
    let is_name = |name: &String| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c))
    };
    let plain = named("fn ", '(').into_iter().chain(named("fn ", '<')).chain(named("\nfunction ", '('));
    let registered = ["writing('hero_", "freeing('hero_"].into_iter().flat_map(|before| named(before, '\''));
    let camel = |name: String| -> String {
        let words = name.split('_').filter_map(|word| Some((word.chars().next()?, word)));
        words.map(|(first, word)| format!("{}{}", first.to_ascii_uppercase(), &word[1..])).collect()
    };
    let calls = plain.filter(is_name).map(|name| format!("{name}("));
    calls.chain(registered.map(camel).map(|name| format!("Function::{name}"))).collect()
}

fn read(file: &str) -> String {
    fs::read_to_string(source(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn source(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)
}
