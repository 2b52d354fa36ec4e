//! The paths that the sources name, and the graph of the modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// Modules, each with the others that it names.
pub(super) type Graph = BTreeMap<String, BTreeSet<String>>;

/// The imports between the modules of the crate in this folder. A parent and what is inside of it are one to the reader, and tests
/// may name anything.
pub(super) fn imports(folder: &str) -> Graph {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
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

/// The imports between the files of a client in another language: names between `before` and `after`.
pub(super) fn client_imports(folder: &str, extension: &str, before: &str, after: &str) -> Graph {
    let mut graph = Graph::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|found| found != extension) {
            continue;
        }
        let own = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let named = text.split(before).skip(1).filter_map(|rest| rest.split_once(after));
        graph.insert(own, named.map(|(name, _rest)| name.to_owned()).collect());
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
pub(super) fn is_kin(one: &str, other: &str) -> bool {
    let within =
        |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"));
    one == other || within(one, other) || within(other, one)
}

/// The groups of modules that reach each other, each in order, by Tarjan's rule that a group is what is reached both ways.
pub(super) fn circles(graph: &Graph) -> Vec<Vec<String>> {
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

/// Every Rust file below a folder.
pub(super) fn rust_files(folder: &Path) -> Vec<PathBuf> {
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

pub(super) fn paths_in(file: &Path) -> BTreeSet<String> {
    let parsed = syn::parse_file(&fs::read_to_string(file).unwrap());
    let mut seen = Paths::default();
    seen.visit_file(&parsed.unwrap_or_else(|error| panic!("{}: {error}", file.display())));
    seen.0
}

/// Collects every path, imported or written out.
#[derive(Default)]
pub(super) struct Paths(pub(super) BTreeSet<String>);

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
