//! Lines that a terminal can show.

use super::{all, read};

/// Columns of a line.
const WIDTH: usize = 120;

/// Pages whose lines are not ours to break: what was given, and what is generated from comments.
const NOT_OURS: [&str; 3] = ["docs/LIFECYCLE.md", "docs/api.md", "docs/sal.md"];

/// Pages that are still to be broken.
const WIDE: [&str; 1] = ["CHANGELOG.md"];

#[test]
fn lines_of_pages_fit_a_terminal() {
    let mut wide = Vec::new();
    for page in
        all().iter().filter(|page| !NOT_OURS.contains(&page.as_str()) && !WIDE.contains(&page.as_str()))
    {
        let mut in_code = false;
        for (number, line) in read(page).lines().enumerate() {
            in_code ^= line.trim_start().starts_with("```");
            // A row of a table and a link cannot be broken; what is in a block is for a machine.
            let whole = in_code
                || line.trim_start().starts_with('|')
                || line.starts_with("    ")
                || !line.trim().contains(' ');
            let columns = line.chars().count();
            if columns > WIDTH && !whole {
                wide.push(format!("{page}:{}: {columns} columns", number + 1));
            }
        }
    }
    assert!(wide.is_empty(), "more than {WIDTH} columns: {wide:#?}");
}
