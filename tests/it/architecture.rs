//! Who may name whom. The sources are parsed, so that grouped and renamed imports are seen as well.

mod imports;
mod paths;

use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

use imports::{Graph, Paths, circles, client_imports, imports, is_kin, paths_in, rust_files};

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
            "crate::domain::leadership",
            "crate::domain::script_types",
        ],
    },
    Rule {
        layer: "domain",
        never: &[
            "metrics",
            "crate::telemetry",
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
            "crate::domain::leadership",
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
    Rule { layer: "lock", never: &SERVICE },
    Rule { layer: "pem", never: &SERVICE },
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

/// A condition variable needs the guard of std, so its one user names the error as well.
#[test]
fn one_lock_has_no_poisoning() {
    let mut users: Vec<PathBuf> = rust_files(Path::new("src"))
        .into_iter()
        .filter(|file| fs::read_to_string(file).unwrap().contains("PoisonError"))
        .collect();
    users.sort();
    assert_eq!(
        users,
        ["src/actor/output_writer.rs", "src/lock.rs"].map(PathBuf::from),
        "use crate::lock::Lock"
    );
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

#[test]
fn modules_do_not_name_each_other_in_a_circle() {
    let imports = imports("src");
    let named: Vec<String> = circles(&imports).iter().map(|circle| circle.join(" <-> ")).collect();
    assert!(named.is_empty(), "circles: {named:#?}");
    // The rooms of the domain as a whole, whatever their files are.
    let mut rooms = Graph::new();
    for (from, to) in imports.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
        let (from, to) = (room_of(from), room_of(to));
        if from != to && from.starts_with("domain::") && to.starts_with("domain::") {
            rooms.entry(from).or_default().insert(to);
        }
    }
    assert_eq!(circles(&rooms), Vec::<Vec<String>>::new(), "{rooms:#?}");
}

#[test]
fn files_of_benchmarks_and_clients_do_not_name_each_other_in_a_circle() {
    let python = "clients/python/src/hero/supervisor/client";
    let graphs = [
        imports("benches/budget"),
        client_imports(python, "py", "from hero.supervisor.client.", " import"),
        client_imports("clients/typescript/src", "ts", "from \"./", ".js\""),
    ];
    for graph in graphs {
        assert!(graph.values().any(|named| !named.is_empty()), "{graph:?}");
        assert_eq!(circles(&graph), Vec::<Vec<String>>::new(), "{graph:#?}");
    }
}

/// The first two names of a module.
fn room_of(module: &str) -> String {
    module.split("::").take(2).collect::<Vec<_>>().join("::")
}

#[test]
fn a_circle_is_found_and_a_parent_with_its_child_is_none() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        graph
    };
    assert_eq!(circles(&graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")])), [["a", "b", "c"]]);
    assert!(circles(&graph(&[("a", "b"), ("a", "c"), ("b", "c")])).is_empty());
    assert!(is_kin("a", "a::b") && is_kin("a::b", "a") && !is_kin("a", "ab") && !is_kin("a::b", "a::c"));
}

/// Every Rust file of `src/<layer>.rs` and `src/<layer>/`.
fn sources(layer: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<PathBuf> =
        [root.join(format!("{layer}.rs"))].into_iter().filter(|file| file.exists()).collect();
    files.append(&mut rust_files(&root.join(layer)));
    assert!(!files.is_empty(), "there is no layer {layer}");
    files
}
