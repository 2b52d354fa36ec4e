//! Pages for contributors name files that are there.

use std::fs;
use std::path::Path;

/// The pages, and the fewest paths that are found in each: a page that has none is not read rightly.
const PAGES: [(&str, usize); 4] =
    [("CONTRIBUTING.md", 1), ("docs/recipes.md", 40), ("docs/testing.md", 10), ("src/lib.rs", 4)];
/// What a path of this repository begins with.
const ROOTS: [&str; 9] =
    ["src/", "tests/", "docs/", "proto/", "clients/", "examples/", "benches/", "packaging/", ".ci/"];

#[test]
fn every_path_that_a_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for (page, fewest) in PAGES {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let paths: Vec<&str> = paths(&text).collect();
        assert!(paths.len() >= fewest, "{page} names only {paths:?}");
        missing.extend(
            paths.into_iter().filter(|path| !root.join(path).exists()).map(|path| format!("{page}: {path}")),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// What stands between backticks and looks like a path.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter(|word| {
        let is_word = word.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-/".contains(letter));
        is_word && ROOTS.iter().any(|root| word.starts_with(root))
    })
}

#[test]
fn every_file_in_the_tables_of_the_architecture_is_there() {
    let page = architecture();
    let behaviours = section(&page, "# Behaviour");
    let named: Vec<&str> = files_below_src(behaviours).collect();
    assert!(named.len() >= 30, "{named:?}");
    let missing: Vec<&&str> = named.iter().filter(|file| !is_below_src(file)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The page of `src/lib.rs`.
fn architecture() -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let page = text.lines().map_while(|line| line.strip_prefix("//!"));
    page.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The section whose heading begins so, up to the next one of the same level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_before, rest) = page.split_once(heading).unwrap_or_else(|| panic!("{heading} is on the page"));
    rest.split("\n# ").next().unwrap_or(rest)
}

/// The files between backticks.
fn files_below_src(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter(|word| word.ends_with(".rs") || word.ends_with(".lua"))
}

fn is_below_src(file: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file).exists()
}
