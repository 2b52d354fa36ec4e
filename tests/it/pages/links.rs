//! Links between pages lead somewhere, down to the heading.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{all, read, root};

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for page in all() {
        for link in links(&read(&page)) {
            checked += 1;
            if let Err(what) = check(&page, &link) {
                wrong.push(format!("{page}: {link}: {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 100, "only {checked} links were found");
}

#[test]
fn every_page_of_the_documentation_is_in_the_contents_of_the_site() {
    let contents: BTreeSet<PathBuf> =
        links(&read("docs/SUMMARY.md")).iter().map(|link| join("docs/SUMMARY.md", link)).collect();
    let missing: Vec<_> = all()
        .into_iter()
        .filter(|page| {
            page.starts_with("docs/") && page != "docs/SUMMARY.md" && !contents.contains(Path::new(page))
        })
        .collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not name {missing:?}");
}

fn check(page: &str, link: &str) -> Result<(), String> {
    if link.starts_with("https://") || link.starts_with("mailto:") {
        return Ok(());
    }
    if link.contains("://") || link.starts_with('/') {
        return Err("neither https nor a path from this page".to_owned());
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() { PathBuf::from(page) } else { join(page, path) };
    if !root().join(&target).exists() {
        return Err(format!("there is no {}", target.display()));
    }
    match anchor {
        Some(anchor) if target.extension().is_none_or(|extension| extension != "md") => {
            Err(format!("#{anchor} is in no page"))
        }
        Some(anchor) if !anchors(&read(&target.display().to_string())).contains(anchor) => {
            Err(format!("{} has no heading #{anchor}", target.display()))
        }
        _ => Ok(()),
    }
}

/// A path that is written in a page, from the root.
fn join(page: &str, path: &str) -> PathBuf {
    let mut whole = PathBuf::from(page);
    whole.pop();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::Normal(name) => whole.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    whole
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of the events of a parser a few matter")]
fn links(text: &str) -> Vec<String> {
    let links = Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
        _ => None,
    });
    links.collect()
}

/// The anchors of a page's headings.
#[expect(clippy::wildcard_enum_match_arm, reason = "of the events of a parser a few matter")]
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut all, mut heading) = (BTreeSet::new(), None::<String>);
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap());
                let same = (1..).map(|number| format!("{anchor}-{number}"));
                let free = std::iter::once(anchor.clone()).chain(same).find(|name| !all.contains(name));
                all.extend(free);
            }
            _ => {}
        }
    }
    all
}

/// The anchor of a heading: lower case, spaces as hyphens, without punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[test]
fn anchors_are_those_of_headings() {
    let page = "# One `two`: three-four\n\n```\n# no\n```\n\n## Same\n\n## Same\n";
    let expected = ["one-two-three-four", "same", "same-1"].map(str::to_owned);
    assert_eq!(anchors(page), BTreeSet::from(expected));
    assert!(check("docs/testing.md", "glossary.md#jobs").is_ok());
    assert!(check("docs/testing.md", "glossary.md#no-such-heading").is_err());
    assert!(check("docs/testing.md", "no_such_page.md").is_err());
    assert!(check("docs/testing.md", "http://example.org").is_err());
}
