//! What a page has for a test: its code blocks and the comments before them, in order.

use std::path::Path;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// A step in the test of a page.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Type these lines.
    Run { block: Block, exit: i32 },
    /// Type this line, and interrupt it when it has printed something.
    Interrupt(Block),
    /// Start this server in place of the one before.
    Serve(String),
    /// Write a file.
    Save { name: String, text: String },
}

/// A code block.
#[derive(Debug, PartialEq, Clone)]
pub(super) struct Block {
    /// The number of its first line in the page.
    pub(super) line: usize,
    pub(super) language: String,
    pub(super) text: String,
}

impl Block {
    /// Its first line, by which it is named in lists.
    pub(super) fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// True if it shows what a command prints.
    pub(super) fn is_session(&self) -> bool {
        self.text.lines().any(|line| line.starts_with("$ "))
    }

    fn is_shell(&self) -> bool {
        const PROGRAMS: [&str; 6] = ["hero-supervisor", "zinit", "grpcurl", "cargo", "make", "redis-cli"];
        let first_word = self.text.split_whitespace().next().unwrap_or_default();
        let is_command = self.language.is_empty() && PROGRAMS.contains(&first_word);
        matches!(self.language.as_str(), "sh" | "bash" | "shell" | "console")
            || self.is_session()
            || is_command
    }
}

/// The steps of a page, and the shell blocks that have no comment.
pub(super) fn steps(page: &Path, text: &str) -> (Vec<Step>, Vec<Block>) {
    let (mut steps, mut unmarked) = (Vec::new(), Vec::new());
    for (block, mark) in blocks(text) {
        let place = || format!("{}:{}: {mark:?}", page.display(), block.line);
        match (mark.as_deref().map(|mark| mark.strip_prefix("serve ").ok_or(mark)), &block.text[..]) {
            (Some(Ok(command)), "") => steps.push(Step::Serve(command.to_owned())),
            (_, "") => panic!("{}: no code block follows", place()),
            (None, _) if block.is_shell() => unmarked.push(block),
            (None, _) => {}
            (Some(Err("run")), _) => steps.push(Step::Run { block, exit: 0 }),
            (Some(Err("run until Ctrl-C")), _) => steps.push(Step::Interrupt(block)),
            (Some(Err("serve")), _) => steps.push(Step::Serve(block.text.trim().to_owned())),
            (Some(Err(other)), _) => {
                if let Some(name) = other.strip_prefix("save as ") {
                    steps.push(Step::Save { name: name.to_owned(), text: block.text });
                } else if let Some(exit) = other.strip_prefix("run, exit ").and_then(|code| code.parse().ok())
                {
                    steps.push(Step::Run { block, exit });
                } else {
                    panic!("{}: unknown comment", place());
                }
            }
            (Some(Ok(_)), _) => panic!("{}: stands alone", place()),
        }
    }
    (steps, unmarked)
}

/// The code blocks, each with the comment before it. A comment that stands alone has a block without text.
#[expect(clippy::wildcard_enum_match_arm, reason = "of the events of a parser a few matter")]
fn blocks(text: &str) -> Vec<(Block, Option<String>)> {
    let mut found = Vec::new();
    let mut mark: Option<String> = None;
    let mut open: Option<Block> = None;
    for (event, range) in Parser::new(text).into_offset_iter() {
        let line = text[..range.start].lines().count() + 1;
        match event {
            Event::Html(comment) => {
                let Some(inner) = comment.trim().strip_prefix("<!-- test: ") else { continue };
                let inner = inner.strip_suffix("-->").unwrap_or(inner).trim().to_owned();
                if inner.starts_with("serve ") {
                    found.push((Block { line, language: String::new(), text: String::new() }, Some(inner)));
                } else {
                    mark = Some(inner);
                }
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(info) => {
                        info.split([' ', ',']).next().unwrap_or_default().to_owned()
                    }
                    CodeBlockKind::Indented => String::new(),
                };
                open = Some(Block { line, language, text: String::new() });
            }
            Event::Text(part) => {
                if let Some(block) = &mut open {
                    block.text.push_str(&part);
                }
            }
            Event::End(TagEnd::CodeBlock) => found.extend(open.take().map(|block| (block, mark.take()))),
            Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {}
            _ => {
                if let Some(lost) = mark.take() {
                    found.push((Block { line, language: String::new(), text: String::new() }, Some(lost)));
                }
            }
        }
    }
    found
}

#[test]
fn comments_say_what_is_done_with_a_block() {
    let page = "<!-- test: serve hero-supervisor dev -->\n\n<!-- test: run, exit 5 -->\n```sh\na\nb\n```\n\ntext\n\n\
                ```bash\nc\n```\n\n<!-- test: save as x.py -->\n```python\n1\n```\n";
    let (steps, unmarked) = steps(Path::new("p"), page);
    assert_eq!(steps.len(), 3, "{steps:?}");
    assert_eq!(steps[0], Step::Serve("hero-supervisor dev".to_owned()));
    let Step::Run { block, exit: 5 } = &steps[1] else { panic!("{steps:?}") };
    assert_eq!((block.line, block.text.as_str()), (4, "a\nb\n"));
    assert_eq!(steps[2], Step::Save { name: "x.py".to_owned(), text: "1\n".to_owned() });
    assert_eq!(unmarked.len(), 1);
    assert_eq!(unmarked[0].first_line(), "c");
}

#[test]
#[should_panic(expected = "no code block follows")]
fn a_comment_without_a_block_is_refused() {
    steps(Path::new("p"), "<!-- test: run -->\n\ntext\n\n```sh\na\n```\n");
}
