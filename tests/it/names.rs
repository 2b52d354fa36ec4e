//! One idea has one word: names in `src` have none of the words that `docs/glossary.md` says are not used.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// Words that no name in `src` has, each with the one to use. All of them stand in the glossary.
const NOT_USED: [(&[&str], &str); 15] = [
    (&["wish", "wishes", "wished"], "request, or desired state"),
    (&["upkeep", "tidy"], "maintenance"),
    (&["stray", "strays", "leftover", "leftovers"], "orphan"),
    (&["bury", "buried"], "dead letter"),
    (&["beat", "beats", "beating", "beaten"], "heartbeat"),
    (&["pulse"], "heartbeat, or queue statistics"),
    (&["patience"], "grace period, or limit"),
    (&["news", "telling"], "event, or update"),
    (&["keeper"], "what it keeps"),
    (&["parked", "bell", "rung"], "what it is"),
    (&["doom", "condemn", "condemned"], "terminate"),
    (&["utterance", "utterances", "speech", "speaker", "spoken"], "output"),
    (&["vacated"], "lost"),
    (&["complaint", "complaints"], "violation"),
    (&["behalf"], "cause, or caller"),
];

/// Names that others have given: `HERO_REALM`, methods of other crates, the public interface.
const GIVEN: [&str; 1] = ["on_behalf_of"];

#[test]
fn names_have_no_word_that_the_glossary_does_not_use() {
    let mut found = Vec::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let mut names = Names::default();
        names.visit_file(&syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap());
        for name in names.0 {
            if let Some((word, instead)) = forbidden(&name) {
                found.push(format!("{}: {name} has the word {word:?}: use {instead}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_glossary_has_every_word_that_is_not_used() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/glossary.md")).unwrap();
    let missing: Vec<&str> =
        NOT_USED.iter().map(|(words, _)| words[0]).filter(|word| !page.contains(word)).collect();
    assert!(
        missing.is_empty(),
        "docs/glossary.md does not name {missing:?} in its column of words that are not used"
    );
}

#[test]
fn words_are_found_in_every_spelling() {
    let said = |name: &str| forbidden(name).map(|(word, _)| word);
    assert_eq!(said("take_wishes"), Some("wishes".to_owned()));
    assert_eq!(said("StrayProcess"), Some("stray".to_owned()));
    assert_eq!(said("UPKEEP_INTERVAL"), Some("upkeep".to_owned()));
    assert_eq!(said("heartbeat"), None);
    assert_eq!(said("newspaper"), None);
    let mut names = Names::default();
    names.visit_file(&syn::parse_file("#[cfg(test)] mod tests { fn stray() {} } fn f(bell: u8) {}").unwrap());
    assert_eq!(names.0.into_iter().collect::<Vec<_>>(), ["bell", "f"], "tests may be sentences");
}

fn forbidden(name: &str) -> Option<(String, &'static str)> {
    if GIVEN.contains(&name) {
        return None;
    }
    words(name).into_iter().find_map(|word| {
        let (_, instead) = NOT_USED.iter().find(|(words, _)| words.contains(&word.as_str()))?;
        Some((word, *instead))
    })
}

/// `SomeName`, `some_name` and `SOME_NAME` are the words some and name.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in name.split('_') {
        let shouted = part.chars().all(|letter| !letter.is_lowercase());
        for letter in part.chars() {
            if words.is_empty() || (letter.is_uppercase() && !shouted) {
                words.push(String::new());
            }
            words.last_mut().unwrap().extend(letter.to_lowercase());
        }
        words.push(String::new());
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Every Rust file below, those of tests aside.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files
}

/// Collects the names that are given here, and not those that are only used.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn note(&mut self, name: &syn::Ident) {
        self.0.insert(name.to_string());
    }
}

fn is_of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.segments.last().is_some_and(|last| last.ident == "test"),
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string().contains("test"),
        syn::Meta::NameValue(_) => false,
    })
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_of_tests(&item.attrs) {
            self.note(&item.ident);
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_of_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.note(&signature.ident);
        visit::visit_signature(self, signature);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.note(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.note(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.note(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.note(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.note(&item.ident);
        visit::visit_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.note(&item.ident);
        visit::visit_item_static(self, item);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.note(&variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        field.ident.iter().for_each(|name| self.note(name));
        visit::visit_field(self, field);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.note(&pattern.ident);
        visit::visit_pat_ident(self, pattern);
    }
}
