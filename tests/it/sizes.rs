//! Small rooms: files have at most 400 lines, functions at most 60, functions in Lua at most 40.

use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of a file.
const FILE: usize = 400;
/// Most lines of a function.
const FUNCTION: usize = 60;
/// Most lines of a function in Lua.
const LUA_FUNCTION: usize = 40;

/// Longer files, each with the reason.
const LONG_FILES: [(&str, &str); 1] =
    [("src/grpc/service.rs", "one trait: each call of the service is a handler")];

/// Longer functions. Each is a table: a match with one arm a case, or a list with one entry a case.
const LONG_FUNCTIONS: [(&str, &str); 15] = [
    ("examples/conformance_runner.rs", "perform"),
    ("src/actor/engines/sal/redis_calls.rs", "write"),
    ("src/actor/engines/sal/text.rs", "replacing"),
    ("src/adapters/redis/records/event/kind.rs", "decode_kind"),
    ("src/adapters/redis/records/event/kind.rs", "encode_kind"),
    ("src/adapters/redis/records/event/tests.rs", "everything"),
    ("src/cli/actor/definition.rs", "write"),
    ("src/grpc/render/event.rs", "detail"),
    ("src/grpc/status.rs", "from"),
    ("src/grpc/status/tests.rs", "expected"),
    ("tests/it/access/matrix.rs", "request"),
    ("tests/it/clients/stage.rs", "step"),
    ("tests/it/engines/rules.rs", "check"),
    ("tests/it/lifecycle_memory/model.rs", "carry_out"),
    ("tests/it/zinit_recorded/server/answers.rs", "answer_in_full"),
];

#[test]
fn no_file_is_too_long() {
    let long: Vec<(String, usize)> = files("rs")
        .chain(files("lua"))
        .map(|file| (name(&file), fs::read_to_string(&file).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > FILE)
        .collect();
    let unknown: Vec<&(String, usize)> =
        long.iter().filter(|(name, _)| !LONG_FILES.iter().any(|(file, _)| file == name)).collect();
    assert!(unknown.is_empty(), "more than {FILE} lines: {unknown:?}");
}

#[test]
fn no_function_is_too_long() {
    let long: Vec<(String, String, usize)> = files("rs")
        .flat_map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            functions(&text)
                .into_iter()
                .filter(|(_, lines)| *lines > FUNCTION)
                .map(|(function, lines)| (name(&file), function, lines))
                .collect::<Vec<_>>()
        })
        .collect();
    let unknown: Vec<&(String, String, usize)> = long
        .iter()
        .filter(|(file, function, _)| !LONG_FUNCTIONS.contains(&(file.as_str(), function.as_str())))
        .collect();
    assert!(unknown.is_empty(), "more than {FUNCTION} lines: {unknown:?}");
}

#[test]
fn no_function_in_lua_is_too_long() {
    let mut long = Vec::new();
    for file in files("lua") {
        let text = fs::read_to_string(&file).unwrap();
        let mut begin = None;
        for (number, line) in text.lines().enumerate() {
            if line.starts_with("local function ") || line.starts_with("function ") {
                begin = Some((number, line.to_owned()));
            } else if line.starts_with("end") {
                let begun = begin.take().filter(|(begin, _)| number - begin >= LUA_FUNCTION);
                long.extend(begun.map(|(_, line)| format!("{}: {line}", name(&file))));
            }
        }
    }
    assert!(long.is_empty(), "more than {LUA_FUNCTION} lines: {long:#?}");
}

#[test]
fn functions_are_measured_to_their_own_end() {
    let text = "impl A {\n    pub(crate) async fn one(\n        a: u8,\n    ) -> u8 {\n        a\n    }\n\n    \
                const fn two() {}\n}\n\ntrait T {\n    fn three(&self);\n}\n";
    assert_eq!(functions(text), [("one".to_owned(), 5), ("two".to_owned(), 1), ("three".to_owned(), 1)]);
}

/// The functions of a source with their lines. Since rustfmt sets the indentation, a function ends at the next brace that is
/// indented as its beginning is.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = match line.trim_end() {
            whole if whole.ends_with(';') || whole.ends_with("{}") || whole.ends_with(" }") => 0,
            _begun => {
                let close = format!("{indent}}}");
                let declared = format!("{indent}) ");
                let ends = |line: &str| {
                    line.starts_with(&close) || (line.starts_with(&declared) && line.ends_with(';'))
                };
                lines[number..].iter().position(|line| ends(line)).unwrap_or_default()
            }
        };
        found.push((name.to_owned(), end + 1));
    }
    found
}

/// The name of the function that begins in this line.
fn function_name(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let is_qualifier = |word: &str| {
        ["const", "async", "unsafe", "extern", "\"C\"", "pub"].contains(&word) || word.starts_with("pub(")
    };
    let in_path = |word: &str| word.ends_with(')');
    if !before.split_whitespace().all(|word| is_qualifier(word) || in_path(word)) {
        return None;
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    (end > 0).then(|| &rest[..end])
}

/// The files with this ending in all folders of sources.
fn files(ending: &'static str) -> impl Iterator<Item = PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["src", "tests", "benches", "examples"]
        .into_iter()
        .flat_map(move |folder| below(&root.join(folder), ending))
}

fn below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(below(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            files.push(path);
        }
    }
    files
}

fn name(file: &Path) -> String {
    file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string()
}
