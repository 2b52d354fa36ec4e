//! The rule book of spreading.

use proptest::prelude::*;

use super::*;

fn node(name: &str, actors: u32) -> NodeLoad {
    let node = NodeName::parse(name).unwrap();
    NodeLoad { node, present: true, actors, busy: 0, stopped: 0, limit: None, fault: String::new() }
}

fn absent(name: &str, actors: u32) -> NodeLoad {
    NodeLoad { present: false, ..node(name, actors) }
}

fn limited(name: &str, actors: u32, limit: u32) -> NodeLoad {
    NodeLoad { limit: Some(limit), fault: "no program".to_owned(), ..node(name, actors) }
}

#[track_caller]
fn check(wanted: u32, nodes: &[NodeLoad], expected: &[u32], unplaced: u32) {
    let shares = spread(wanted, nodes);
    let replicas: Vec<u32> = shares.nodes.iter().map(|share| share.replicas).collect();
    assert_eq!((replicas.as_slice(), shares.unplaced), (expected, unplaced), "{shares:?}");
}

#[test]
fn a_number_is_spread_evenly() {
    let none = [node("a", 0), node("b", 0), node("c", 0)];
    check(5, &none, &[2, 2, 1], 0);
    check(6, &none, &[2, 2, 2], 0);
    check(1, &none, &[1, 0, 0], 0);
    check(0, &none, &[0, 0, 0], 0);
    check(5, &[node("a", 5), node("b", 0), node("c", 0)], &[2, 2, 1], 0);
    check(3, &[], &[], 3);
}

#[test]
fn who_has_more_keeps_it() {
    check(5, &[node("a", 1), node("b", 2), node("c", 2)], &[1, 2, 2], 0);
    check(4, &[node("a", 1), node("b", 1), node("c", 2)], &[1, 1, 2], 0);
    check(1, &[node("a", 0), node("b", 0), node("c", 1)], &[0, 0, 1], 0);
    check(7, &[node("a", 2), node("b", 2), node("c", 3)], &[2, 2, 3], 0);
}

#[test]
fn an_absent_machine_keeps_what_runs_there_and_the_others_take_the_rest() {
    check(5, &[node("a", 2), node("b", 2), absent("c", 1)], &[2, 2, 1], 0);
    check(5, &[node("a", 2), node("b", 2), absent("c", 0)], &[3, 2, 0], 0);
    check(1, &[node("a", 2), absent("c", 4)], &[0, 4], 0);
    check(3, &[absent("c", 1)], &[1], 2);
}

#[test]
fn a_limit_is_kept_and_what_is_left_is_told() {
    check(5, &[node("a", 0), limited("b", 1, 1)], &[4, 1], 0);
    check(5, &[limited("a", 0, 0), limited("b", 1, 1)], &[0, 1], 4);
}

#[test]
fn a_reason_names_machines_shares_and_what_is_left() {
    let by = NodeName::parse("a").unwrap();
    let shares = spread(9, &[limited("a", 1, 1), limited("b", 0, 0), absent("c", 2)]);
    assert_eq!(
        explain(&shares, &by),
        "decided by node a over 2 nodes: a 1 (no program), b 0 (no program), c 2 (absent; they run on); \
         6 could not be placed"
    );
    let many: Vec<NodeLoad> = (0..1000).map(|number| node(&format!("n{number}"), 0)).collect();
    let text = explain(&spread(5, &many), &by);
    assert!(text.ends_with(", and 980 more nodes") && text.len() < 500, "{text}");
}

#[test]
fn a_decision_holds_until_a_machine_comes_or_goes() {
    let nodes = [node("a", 2), node("b", 2), absent("c", 1)];
    let decided = spread(5, &nodes);
    assert!(!is_for_others(&decided, &nodes));
    assert!(!is_for_others(&decided, &[node("a", 0), node("b", 9), absent("c", 1)]), "stopped by hand");
    assert!(is_for_others(&decided, &[node("a", 2), node("b", 2), absent("c", 0)]));
    assert!(is_for_others(&decided, &[node("a", 2), node("b", 2), node("c", 1)]));
    assert!(is_for_others(&decided, &[node("a", 2), absent("c", 1)]));
    assert!(is_for_others(&decided, &[node("a", 2), node("b", 2), absent("c", 1), node("d", 0)]));
    assert!(!is_for_others(&decided, &[node("a", 2), node("b", 2), absent("c", 1), absent("e", 0)]));
}

fn loads() -> impl Strategy<Value = Vec<NodeLoad>> {
    let one = (any::<bool>(), 0u32..12, proptest::option::of(0u32..8));
    proptest::collection::vec(one, 0..8).prop_map(|all| {
        let load = |(number, (present, actors, limit)): (usize, (bool, u32, Option<u32>))| NodeLoad {
            present,
            limit,
            ..node(&format!("n{number}"), actors)
        };
        all.into_iter().enumerate().map(load).collect()
    })
}

proptest! {
    #![proptest_config(crate::properties::config())]

    #[test]
    fn shares_add_up_differ_by_one_at_most_and_keep_limits(wanted in 0u32..60, nodes in loads()) {
        let shares = spread(wanted, &nodes);
        let kept: u32 = nodes.iter().filter(|node| !node.present).map(|node| node.actors).sum();
        let sum: u32 = shares.nodes.iter().map(|share| share.replicas).sum();
        prop_assert_eq!(sum + shares.unplaced, wanted.max(kept));
        let mut free = Vec::new();
        for share in &shares.nodes {
            let load = nodes.iter().find(|node| node.node == share.node).unwrap();
            match (load.present, load.limit) {
                (false, _) => prop_assert_eq!(share.replicas, load.actors),
                (true, Some(limit)) => {
                    prop_assert!(share.replicas <= limit);
                    if share.replicas < limit {
                        free.push(share.replicas);
                    }
                }
                (true, None) => free.push(share.replicas),
            }
        }
        if let (Some(least), Some(most)) = (free.iter().min(), free.iter().max()) {
            prop_assert!(most - least <= 1);
            prop_assert_eq!(shares.unplaced, 0, "somebody could take more");
            let full = shares.nodes.iter().filter(|share| share.present);
            prop_assert!(full.into_iter().all(|share| share.replicas <= least + 1));
        }
    }

    #[test]
    fn the_order_of_machines_does_not_matter(wanted in 0u32..60, nodes in loads(), turn in 0usize..8) {
        let mut turned = nodes.clone();
        if !turned.is_empty() {
            let by = turn % turned.len();
            turned.rotate_left(by);
        }
        prop_assert_eq!(spread(wanted, &nodes), spread(wanted, &turned));
    }

    #[test]
    fn what_is_spread_stays_as_it_is(wanted in 0u32..60, nodes in loads()) {
        let once = spread(wanted, &nodes);
        let after: Vec<NodeLoad> = nodes
            .iter()
            .map(|node| {
                let share = once.nodes.iter().find(|share| share.node == node.node).unwrap();
                NodeLoad { actors: share.replicas, ..node.clone() }
            })
            .collect();
        prop_assert_eq!(spread(wanted, &after), once);
    }

    #[test]
    fn no_other_even_way_moves_fewer(wanted in 0u32..12, actors in proptest::collection::vec(0u32..5, 1..4)) {
        let nodes: Vec<NodeLoad> =
            actors.iter().enumerate().map(|(number, actors)| node(&format!("n{number}"), *actors)).collect();
        let moved = |shares: &[u32]| -> u32 {
            shares.iter().zip(&actors).map(|(share, had)| share.abs_diff(*had)).sum()
        };
        let ours: Vec<u32> = spread(wanted, &nodes).nodes.iter().map(|share| share.replicas).collect();
        let count = u32::try_from(nodes.len()).unwrap();
        let (base, more) = (wanted / count, wanted % count);
        for way in 0u32..1 << count {
            if way.count_ones() == more {
                let other: Vec<u32> = (0..count).map(|number| base + ((way >> number) & 1)).collect();
                prop_assert!(moved(&ours) <= moved(&other), "{ours:?} {other:?} {actors:?}");
            }
        }
    }
}
