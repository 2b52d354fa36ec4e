//! Who may name whom. The sources are parsed, so that grouped and renamed imports are seen as well.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// Crates and modules that a layer never names.
struct Rule {
    layer: &'static str,
    never: &'static [&'static str],
}

const RULES: &[Rule] = &[
    // Values only: no ports, no loops.
    Rule {
        layer: "domain/model",
        never: &[
            "tokio",
            "tracing",
            "metrics",
            "crate::ports",
            "crate::telemetry",
            "crate::domain::actors",
            "crate::domain::events",
            "crate::domain::health",
            "crate::domain::jobs",
            "crate::domain::scaling",
            "crate::domain::script_types",
        ],
    },
    Rule {
        layer: "domain",
        never: &[
            "tonic",
            "prost",
            "prost_types",
            "redis",
            "rhai",
            "serde",
            "serde_json",
            "tokio::net",
            "std::net",
            "std::os::unix::net",
            "crate::grpc",
            "crate::proto",
            "crate::client",
            "crate::adapters",
            "crate::app",
            "crate::cli",
            "crate::actor",
            "crate::config",
        ],
    },
    Rule {
        layer: "ports",
        never: &[
            "tonic",
            "prost",
            "prost_types",
            "redis",
            "rhai",
            "serde",
            "serde_json",
            "tokio::net",
            "std::net",
            "std::os::unix::net",
            "crate::grpc",
            "crate::proto",
            "crate::client",
            "crate::adapters",
            "crate::app",
            "crate::cli",
            "crate::actor",
            "crate::config",
            "crate::domain::actors",
            "crate::domain::events",
            "crate::domain::health",
            "crate::domain::jobs",
            "crate::domain::scaling",
            "crate::domain::script_types",
        ],
    },
    Rule {
        layer: "adapters",
        never: &[
            "tonic",
            "prost",
            "crate::grpc",
            "crate::proto",
            "crate::client",
            "crate::app",
            "crate::cli",
            "crate::actor",
            "crate::config",
        ],
    },
    Rule {
        layer: "adapters/redis",
        never: &["crate::adapters::zinit", "crate::adapters::local", "crate::adapters::memory"],
    },
    Rule {
        layer: "adapters/zinit",
        never: &["redis", "crate::adapters::redis", "crate::adapters::local", "crate::adapters::memory"],
    },
    Rule {
        layer: "adapters/local",
        never: &["redis", "crate::adapters::redis", "crate::adapters::zinit", "crate::adapters::memory"],
    },
    Rule {
        layer: "adapters/memory",
        never: &["redis", "crate::adapters::redis", "crate::adapters::zinit", "crate::adapters::local"],
    },
    Rule {
        layer: "grpc",
        never: &[
            "redis",
            "crate::adapters",
            "crate::app",
            "crate::cli",
            "crate::client",
            "crate::actor",
            "crate::config",
        ],
    },
    Rule {
        layer: "cli",
        never: &["crate::domain::actors", "crate::domain::jobs", "crate::grpc", "crate::actor"],
    },
    // Built without the service, so they know nothing of it.
    Rule { layer: "client", never: &SERVICE },
    Rule { layer: "proto", never: &SERVICE },
    Rule { layer: "grpc_code", never: &SERVICE },
    Rule { layer: "grpc_timeout", never: &SERVICE },
    Rule {
        layer: "actor",
        never: &[
            "tonic",
            "redis",
            "crate::adapters",
            "crate::grpc",
            "crate::proto",
            "crate::client",
            "crate::cli",
        ],
    },
];

/// What the cargo feature of that name brings.
const SERVICE: [&str; 13] = [
    "redis",
    "serde",
    "crate::actor",
    "crate::adapters",
    "crate::app",
    "crate::cli",
    "crate::config",
    "crate::domain",
    "crate::error",
    "crate::grpc",
    "crate::ports",
    "crate::shutdown",
    "crate::telemetry",
];

#[test]
fn no_layer_names_what_it_must_not_know() {
    let mut broken = Vec::new();
    for rule in RULES {
        for file in sources(rule.layer) {
            for path in paths_in(&file) {
                let named = |never: &&&str| path == **never || path.starts_with(&format!("{never}::"));
                if let Some(never) = rule.never.iter().find(named) {
                    broken.push(format!(
                        "{} names {path} ({} never names {never})",
                        file.display(),
                        rule.layer
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn foreign_spelling_stays_in_one_place() {
    for layer in ["domain", "ports", "grpc", "cli", "app", "actor"] {
        for file in sources(layer) {
            let text = fs::read_to_string(&file).unwrap();
            for key in ["hero:job:", "hero:{", "service.list_full", "service.set"] {
                assert!(!text.contains(key), "{} spells {key:?}", file.display());
            }
        }
    }
}

#[test]
fn the_parser_sees_grouped_renamed_and_inline_paths() {
    let paths = |text: &str| {
        let mut seen = Paths::default();
        seen.visit_file(&syn::parse_file(text).unwrap());
        seen.0
    };
    assert!(paths("use crate::{grpc as g, domain::{model}};").contains("crate::grpc"));
    assert!(paths("use crate::{grpc as g, domain::{model}};").contains("crate::domain::model"));
    assert!(paths("fn f() { let _ = tonic::Status::ok(\"\"); }").contains("tonic::Status::ok"));
    assert!(paths("fn f(_: &dyn redis::FromRedisValue) {}").contains("redis::FromRedisValue"));
    assert!(paths("use redis::*;").contains("redis"));
}

/// Every Rust file of `src/<layer>.rs` and `src/<layer>/`.
fn sources(layer: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<PathBuf> =
        [root.join(format!("{layer}.rs"))].into_iter().filter(|file| file.exists()).collect();
    let mut folders = vec![root.join(layer)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "there is no layer {layer}");
    files
}

fn paths_in(file: &Path) -> BTreeSet<String> {
    let parsed = syn::parse_file(&fs::read_to_string(file).unwrap());
    let mut seen = Paths::default();
    seen.visit_file(&parsed.unwrap_or_else(|error| panic!("{}: {error}", file.display())));
    seen.0
}

/// Collects every path, imported or written out.
#[derive(Default)]
struct Paths(BTreeSet<String>);

impl Paths {
    fn collect(&mut self, prefix: &str, tree: &syn::UseTree) {
        let join = |name: &syn::Ident| {
            if prefix.is_empty() { name.to_string() } else { format!("{prefix}::{name}") }
        };
        match tree {
            syn::UseTree::Path(path) => self.collect(&join(&path.ident), &path.tree),
            syn::UseTree::Name(name) => {
                self.0.insert(join(&name.ident));
            }
            syn::UseTree::Rename(rename) => {
                self.0.insert(join(&rename.ident));
            }
            syn::UseTree::Glob(_) => {
                self.0.insert(prefix.to_owned());
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.collect(prefix, item)),
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.collect("", &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.0.insert(names.join("::"));
        }
        syn::visit::visit_path(self, path);
    }
}
