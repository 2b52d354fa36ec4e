//! Who may name whom. The sources are parsed, so that grouped and renamed imports are seen as well.

use std::collections::{BTreeMap, BTreeSet};
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
    let imports = imports();
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

/// Which module names which others.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The imports between the modules of `src`. A parent and what is inside of it are one to the reader, and tests may name
/// anything.
fn imports() -> Graph {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<PathBuf> =
        rust_files(&root).into_iter().filter(|file| !is_test_or_main(&root, file)).collect();
    let modules: BTreeSet<String> = files.iter().map(|file| module_of(&root, file)).collect();
    let mut graph = Graph::new();
    for file in &files {
        let own = module_of(&root, file);
        for path in paths_without_tests(file) {
            let Some(named) = resolve(&own, &path, &modules) else { continue };
            if named != own && !is_kin(&named, &own) {
                graph.entry(own.clone()).or_default().insert(named);
            }
        }
    }
    graph
}

/// The module in which a path lies, seen from another one.
fn resolve(own: &str, path: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut base: Vec<&str> = Vec::new();
    let mut rest = path;
    if let Some(below) = path.strip_prefix("crate::") {
        rest = below;
    } else if path.starts_with("super::") || path.starts_with("self::") {
        base = own.split("::").collect();
        loop {
            if let Some(below) = rest.strip_prefix("super::") {
                base.pop();
                rest = below;
            } else if let Some(below) = rest.strip_prefix("self::") {
                rest = below;
            } else {
                break;
            }
        }
    } else {
        return None;
    }
    let mut names: Vec<&str> = base.into_iter().chain(rest.split("::")).collect();
    while !names.is_empty() {
        let name = names.join("::");
        if modules.contains(&name) {
            return Some(name);
        }
        names.pop();
    }
    None
}

/// Whether one module lies within the other.
fn is_kin(one: &str, other: &str) -> bool {
    let within =
        |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"));
    one == other || within(one, other) || within(other, one)
}

/// The groups of modules that reach each other, each in order, by Tarjan's rule that a group is what is reached both ways.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reached = |from: &String| {
        let mut seen: BTreeSet<&String> = BTreeSet::new();
        let mut todo: Vec<&String> = vec![from];
        while let Some(next) = todo.pop() {
            for to in graph.get(next).into_iter().flatten() {
                if seen.insert(to) {
                    todo.push(to);
                }
            }
        }
        seen
    };
    let all: BTreeMap<&String, BTreeSet<&String>> = graph.keys().map(|name| (name, reached(name))).collect();
    let mut groups: BTreeSet<Vec<String>> = BTreeSet::new();
    for (name, seen) in all.iter().filter(|(name, seen)| seen.contains(*name)) {
        let back = |other: &&&String| all.get(**other).is_some_and(|theirs| theirs.contains(*name));
        groups.insert(seen.iter().filter(back).map(|other| (*other).clone()).collect());
    }
    groups.into_iter().collect()
}

fn module_of(root: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(root).unwrap().with_extension("");
    inside.iter().map(|name| name.to_str().unwrap()).collect::<Vec<_>>().join("::")
}

fn is_test_or_main(root: &Path, file: &Path) -> bool {
    let module = module_of(root, file);
    let mut names = module.split("::");
    names.clone().any(|name| name == "tests") || matches!(names.next(), Some("lib" | "bin"))
}

/// Every path of a file but those of its tests.
fn paths_without_tests(file: &Path) -> BTreeSet<String> {
    let mut parsed = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap();
    parsed
        .items
        .retain(|item| !matches!(item, syn::Item::Mod(module) if module.attrs.iter().any(is_cfg_test)));
    let mut seen = Paths::default();
    seen.visit_file(&parsed);
    seen.0
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
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

/// Every Rust file below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
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
