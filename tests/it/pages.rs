//! The pages for readers: their commands work as they stand, their links lead somewhere, and their lines fit a terminal.
//!
//! A page says in comments that no reader sees what a test does with the code block that follows:
//!
//! | comment | the block |
//! |---|---|
//! | `<!-- test: run -->` | is typed into a terminal, line after line; each line ends with 0 and, in a `console` block, prints what is shown |
//! | `<!-- test: run, exit 1 -->` | the same; its last line ends with 1 |
//! | `<!-- test: run until Ctrl-C -->` | is one line, interrupted once it has printed something |
//! | `<!-- test: serve -->` | is one line, a `serve` or a `dev`, which stays until the next one or the end of the page |
//! | `<!-- test: serve hero-supervisor dev -->` | none: the server that the page presumes |
//! | `<!-- test: save as NAME -->` | becomes a file of this name |
//!
//! A shell block that has no such comment is in [`not_run`], with the reason.

mod blocks;
mod commands;
mod inline;
mod lines;
mod links;
mod not_run;
mod shown;
mod terminal;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a page by its path from the root.
fn read(page: &str) -> String {
    std::fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// Every page, by its path from the root.
fn all() -> Vec<String> {
    let mut pages = Vec::new();
    let of_clients =
        ["conformance", "go", "java", "python", "rust", "typescript"].map(|name| format!("clients/{name}"));
    for folder in ["", "docs", ".github", "benches/peers"].map(str::to_owned).into_iter().chain(of_clients) {
        let mut found: Vec<PathBuf> = std::fs::read_dir(root().join(&folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
            .collect();
        found.sort();
        pages.extend(found.iter().map(|path| path.strip_prefix(root()).unwrap().display().to_string()));
    }
    pages
}
