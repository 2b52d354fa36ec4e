//! Texts: names, indentation, replacing, templates.

use std::collections::BTreeMap;
use std::fs;

use minijinja::{Environment, UndefinedBehavior, Value};
use regex::{NoExpand, Regex, RegexBuilder};
use rhai::{Dynamic, ImmutableString, Map};

use super::context::{Called, failed, fine};
use super::files::read;
use super::registry::Registry;

/// Bytes that a compiled pattern may take.
const MAX_PATTERN: usize = 8 << 20;
/// Steps of a template.
const MAX_STEPS: u64 = 10_000_000;

pub(super) fn write(registry: &mut Registry) {
    registry.family("Texts", "");
    let about = "Takes away the indentation that all lines have in common; a tab counts as four spaces.";
    registry.add("dedent", &["text"], about, |text: ImmutableString| dedent(&text));
    let about = "Puts something in front of each line.";
    registry.add("prefix", &["text", "prefix"], about, |text: ImmutableString, prefix: ImmutableString| {
        text.lines().map(|line| format!("{prefix}{line}")).collect::<Vec<_>>().join("\n")
    });
    let about = "Makes a name of a text: lower case, `_` for spaces and most signs, ASCII only.";
    registry.add("name_fix", &["text"], about, |text: ImmutableString| name_fix(&text));
    let about = "The same for the last part of a path.";
    registry.add("path_fix", &["path"], about, |path: ImmutableString| match path.rsplit_once('/') {
        Some((above, name)) => format!("{above}/{}", name_fix(name)),
        None => name_fix(&path),
    });
    replacing(registry);
    templates(registry);
}

fn replacing(registry: &mut Registry) {
    registry.add_type::<ReplacerBuilder>("TextReplacerBuilder");
    registry.add_type::<Replacer>("TextReplacer");
    registry.family(
        "Replacing",
        "`text_replacer_new().pattern(\"a\").replacement(\"b\").and().pattern(...).build().replace(text)`",
    );
    for name in ["text_replacer_new", "text_replacer_builder"] {
        registry.add(name, &[], "Begins a chain of replacements.", ReplacerBuilder::default);
    }
    let about = "What to look for.";
    registry.add(
        "pattern",
        &["builder", "text"],
        about,
        |mut builder: ReplacerBuilder, text: ImmutableString| {
            builder.next.pattern = Some(text.into());
            builder
        },
    );
    let about = "What to put there; with a regular expression, `$1` or `${name}` stand for groups.";
    registry.add(
        "replacement",
        &["builder", "text"],
        about,
        |mut builder: ReplacerBuilder, text: ImmutableString| {
            builder.next.replacement = text.into();
            builder
        },
    );
    let about = "Whether the pattern is a regular expression.";
    registry.add("regex", &["builder", "yes"], about, |mut builder: ReplacerBuilder, yes: bool| {
        builder.next.regex = yes;
        builder
    });
    let about = "Whether upper and lower case are the same.";
    registry.add(
        "case_insensitive",
        &["builder", "yes"],
        about,
        |mut builder: ReplacerBuilder, yes: bool| {
            builder.next.any_case = yes;
            builder
        },
    );
    registry.add("and", &["builder"], "Begins the next replacement.", |mut builder: ReplacerBuilder| {
        let done = std::mem::take(&mut builder.next);
        builder.done.push(done);
        builder
    });
    registry.add("build", &["builder"], "Ends the chain.", ReplacerBuilder::build);
    let about = "The text with everything replaced.";
    registry.add("replace", &["replacer", "text"], about, |replacer: Replacer, text: ImmutableString| {
        replacer.replace(&text)
    });
    let about = "The text of a file with everything replaced.";
    registry.add(
        "replace_file",
        &["replacer", "path"],
        about,
        |replacer: Replacer, path: ImmutableString| replacer.replace_file(&path),
    );
    let about = "Replaces everything in a file.";
    registry.add(
        "replace_file_in_place",
        &["replacer", "path"],
        about,
        |replacer: Replacer, path: ImmutableString| {
            let text = replacer.replace_file(&path)?;
            fs::write(path.as_str(), text).map_err(|error| failed(&path, &error))
        },
    );
    let about = "Writes the text of a file with everything replaced to another file.";
    registry.add(
        "replace_file_to",
        &["replacer", "path", "to"],
        about,
        |replacer: Replacer, path: ImmutableString, to: ImmutableString| {
            let text = replacer.replace_file(&path)?;
            fs::write(to.as_str(), text).map_err(|error| failed(&to, &error))
        },
    );
}

fn templates(registry: &mut Registry) {
    registry.add_type::<Template>("TemplateBuilder");
    registry.family(
        "Templates",
        "Files with `{{ name }}`, `{% if %}`, `{% for %}` and filters, as Jinja and Tera have them; a name that is not set throws.",
    );
    let about = "Reads a template.";
    registry.add("template_builder_open", &["path"], about, |path: ImmutableString| {
        let text = read(&path).map_err(|error| failed(&path, &error))?;
        fine(Template { text, values: BTreeMap::new() })
    });
    let about = "Sets a name: a text, a number, true or false, an array or a map.";
    registry.add(
        "add_var",
        &["template", "name", "value"],
        about,
        |mut template: Template, name: ImmutableString, value: Dynamic| {
            template.values.insert(name.into(), Value::from_serialize(&value));
            template
        },
    );
    let about = "Sets the names that a map has.";
    registry.add("add_vars", &["template", "values"], about, |mut template: Template, values: Map| {
        let values = values.iter().map(|(name, value)| (name.to_string(), Value::from_serialize(value)));
        template.values.extend(values);
        template
    });
    registry.add("render", &["template"], "The text with everything filled in.", |template: Template| {
        template.render()
    });
    let about = "Writes the text with everything filled in to a file.";
    registry.add(
        "render_to_file",
        &["template", "path"],
        about,
        |template: Template, path: ImmutableString| {
            let text = template.render()?;
            fs::write(path.as_str(), text).map_err(|error| failed(&path, &error))
        },
    );
}

/// Replacements that are being described.
#[derive(Debug, Clone, Default)]
pub(super) struct ReplacerBuilder {
    done: Vec<Replacement>,
    next: Replacement,
}

#[derive(Debug, Clone, Default)]
struct Replacement {
    pattern: Option<String>,
    replacement: String,
    regex: bool,
    any_case: bool,
}

/// Replacements, one after another.
#[derive(Debug, Clone)]
pub(super) struct Replacer(Vec<(Regex, String, bool)>);

impl ReplacerBuilder {
    fn build(self) -> Called<Replacer> {
        let all = self.done.into_iter().chain(Some(self.next).filter(|next| next.pattern.is_some()));
        let compiled = all.map(|one| {
            let pattern = one.pattern.ok_or_else(|| failed("build", &"a replacement has no pattern"))?;
            let text = if one.regex { pattern.clone() } else { regex::escape(&pattern) };
            let regex =
                RegexBuilder::new(&text).case_insensitive(one.any_case).size_limit(MAX_PATTERN).build();
            Ok((regex.map_err(|error| failed(&pattern, &error))?, one.replacement, one.regex))
        });
        let compiled = compiled.collect::<Called<Vec<_>>>()?;
        if compiled.is_empty() {
            return Err(failed("build", &"there is no replacement"));
        }
        Ok(Replacer(compiled))
    }
}

impl Replacer {
    fn replace(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (regex, by, groups)| {
            match groups {
                true => regex.replace_all(&text, by.as_str()),
                false => regex.replace_all(&text, NoExpand(by)),
            }
            .into_owned()
        })
    }

    fn replace_file(&self, path: &str) -> Called<String> {
        read(path).map(|text| self.replace(&text)).map_err(|error| failed(path, &error))
    }
}

/// A template and what is known of its names.
#[derive(Debug, Clone)]
pub(super) struct Template {
    text: String,
    values: BTreeMap<String, Value>,
}

impl Template {
    fn render(&self) -> Called<String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(MAX_STEPS));
        environment.set_keep_trailing_newline(true);
        environment.render_str(&self.text, &self.values).map_err(|error| failed("template", &error))
    }
}

fn dedent(text: &str) -> String {
    let width = |c: char| if c == '\t' { 4 } else { 1 };
    let is_indent = |c: &char| matches!(c, ' ' | '\t');
    let indent = |line: &str| line.chars().take_while(is_indent).map(width).sum::<usize>();
    let filled = || text.lines().filter(|line| !line.trim().is_empty());
    let common = filled().map(indent).min().unwrap_or(0);
    let cut = |line: &str| {
        let mut taken = 0;
        let rest = line.trim_start_matches(|c: char| {
            let more = is_indent(&c) && taken < common;
            taken += width(c);
            more
        });
        if line.trim().is_empty() { String::new() } else { rest.to_owned() }
    };
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

fn name_fix(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for c in text.chars().filter(char::is_ascii) {
        let kept = c.is_ascii_alphanumeric()
            || matches!(c, '.' | '/' | ':' | ';' | '?' | '\\' | '_' | '`' | '{' | '|' | '}' | '~');
        match kept {
            true => name.push(c.to_ascii_lowercase()),
            false if !name.ends_with('_') => name.push('_'),
            false => {}
        }
    }
    name
}
