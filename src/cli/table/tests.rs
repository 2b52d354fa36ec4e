//! Tables in narrow terminals: columns that fit, and parts that are left.

use proptest::prelude::*;

use super::*;

const COLUMNS: [Column; 5] = [
    Column::whole("JOB"),
    Column::whole("STATE"),
    Column::leave("ACTOR", 1),
    Column::leave("ATTEMPT", 0),
    Column::cut("OUTCOME"),
];

fn table() -> Table {
    let row = |id: &str, state: &str, outcome: &str| {
        let outcome = Cell::from(outcome);
        [Cell::from(id), Cell::state(state.to_owned()), "osis_actor_0".into(), "1".into(), outcome]
    };
    Table::new(COLUMNS, [row("j1", "failed", &"long ".repeat(20)), row("j2", "queued", "42")])
}

fn look(width: usize) -> Look {
    Look { width: Some(width), color: false }
}

#[test]
fn a_table_for_a_pipe_is_whole() {
    let shown = table().render(Look::WHOLE);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "JOB  STATE   ACTOR         ATTEMPT  OUTCOME");
    assert!(lines[1].ends_with(&"long ".repeat(20).trim_end()), "{shown}");
    assert_eq!(lines[2], "j2   queued  osis_actor_0  1        42");
}

#[test]
fn long_cells_are_cut_before_columns_are_left_out() {
    let shown = table().render(look(60));
    assert!(shown.lines().all(|line| width_of(line) <= 60), "{shown}");
    assert!(
        shown.starts_with("JOB  STATE   ACTOR         ATTEMPT  OUTCOME\n") && shown.contains('…'),
        "{shown}"
    );
    let narrow = table().render(look(42));
    assert!(
        narrow.starts_with("JOB  STATE   ACTOR         OUTCOME\n"),
        "the lowest number goes first: {narrow}"
    );
    let narrower = table().render(look(27));
    assert!(narrower.starts_with("JOB  STATE   OUTCOME\n"), "{narrower}");
}

#[test]
fn only_trouble_has_a_colour() {
    let colored = table().render(Look { color: true, ..look(80) });
    assert_eq!(colored.matches('\x1b').count(), 2, "{colored:?}");
    assert!(colored.contains("\x1b[31mfailed\x1b[0m"), "{colored:?}");
    assert!(!table().render(look(80)).contains('\x1b'));
}

#[test]
fn a_cell_is_one_line_whatever_is_in_it() {
    let rows = [[Cell::from("a\nb"), Cell::from("\x1b[2J\rx")], [Cell::from("c"), Cell::from("d")]];
    let shown = Table::new([Column::whole("ONE"), Column::cut("TWO")], rows).render(Look::WHOLE);
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert!(shown.contains(r"a\nb") && shown.contains(r"\u{1b}[2J\u{d}x"), "{shown}");
}

#[test]
fn ids_are_short_on_terminals_alone() {
    let ids = ["0199a2b4-1c2d-7000-8000-000000000001", "0199a2b4-1c2d-7000-8000-0000000000a2", "mine"];
    assert_eq!(short_ids(ids), [&ids[0][..35], &ids[1][..35], "mine"]);
    assert_eq!(short_ids([ids[0]]), ["0199a2b4-1c2d"]);
    let table = Table::new([Column::whole("JOB")], [[Cell::id(ids[0], "0199a2b4-1c2d".to_owned())]]);
    assert_eq!(table.render(Look::WHOLE), format!("JOB\n{}\n", ids[0]));
    assert_eq!(table.render(look(80)), "JOB\n0199a2b4-1c2d\n");
}

#[test]
fn wide_characters_count_as_two_columns() {
    assert_eq!(cut("日本語", 6), "日本語");
    assert_eq!(cut("日本語", 5), "日本…");
    assert_eq!(cut("日本語", 4), "日…");
    assert_eq!(cut("abc", 0), "");
}

proptest! {
    #![proptest_config(crate::properties::config())]

    /// Whatever is in it, a table is never wider than the terminal, and no row is lost.
    #[test]
    fn no_line_is_wider_than_the_terminal(
        rows in prop::collection::vec(prop::array::uniform5(".{0,40}"), 0..6),
        width in 1_usize..200,
    ) {
        let count = rows.len();
        let shown = Table::new(COLUMNS, rows.into_iter().map(|row| row.map(Cell::from))).render(look(width));
        prop_assert_eq!(shown.lines().count(), count + 1);
        for line in shown.lines() {
            prop_assert!(width_of(line) <= width, "{line:?}");
        }
    }

    /// Short ids tell the same ids apart as the whole ones, and each is the beginning of its id.
    #[test]
    fn short_ids_are_as_different_as_the_ids(ids in prop::collection::btree_set("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}", 1..20)) {
        let short = short_ids(ids.iter().map(String::as_str));
        for (id, short) in ids.iter().zip(&short) {
            prop_assert!(id.starts_with(short.as_str()));
            prop_assert_eq!(ids.iter().filter(|other| other.starts_with(short.as_str())).count(), 1);
        }
    }
}
