//! Dependencies between actors: unknown names, cycles and the order of starting. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::model::actor::ActorConfig;

/// A dependency that cannot be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unmet {
    /// Name of the actor with the dependency.
    pub(crate) actor: String,
    /// Name of the dependency.
    pub(crate) dependency: String,
    /// The fault.
    pub(crate) reason: String,
}

/// The actors that must run before `start`, nearest last, `start` itself not among them.
///
/// `actors` are the known actors with their dependencies, `services` the other processes that may be named.
///
/// # Errors
/// A name that is neither, or a cycle.
pub(super) fn start_order(
    start: &str,
    actors: &BTreeMap<String, Vec<String>>,
    services: &BTreeSet<String>,
) -> Result<Vec<String>, Unmet> {
    // Depth first with a path of our own instead of recursion, so that a long chain costs no stack.
    let mut order: Vec<String> = Vec::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut path: Vec<(&str, usize)> = vec![(start, 0)];
    while let Some((name, next)) = path.last_mut() {
        let name = *name;
        let Some(dependency) = actors.get(name).and_then(|dependencies| dependencies.get(*next)) else {
            path.pop();
            done.insert(name);
            order.push(name.to_owned());
            continue;
        };
        *next += 1;
        if let Some(first) = path.iter().position(|(above, _next)| above == dependency) {
            let cycle: Vec<&str> = path[first..].iter().map(|(above, _next)| *above).collect();
            let reason = format!("they wait for each other: {} -> {dependency}", cycle.join(" -> "));
            return Err(Unmet { actor: name.to_owned(), dependency: dependency.clone(), reason });
        }
        if actors.contains_key(dependency) {
            if !done.contains(dependency.as_str()) {
                path.push((dependency, 0));
            }
        } else if !services.contains(dependency) {
            let reason = "there is no actor and no service of this name".to_owned();
            return Err(Unmet { actor: name.to_owned(), dependency: dependency.clone(), reason });
        }
    }
    order.pop();
    Ok(order)
}

/// The names of these actors, each behind what it depends on; names that are none of them are let pass.
///
/// # Errors
/// A cycle.
pub(crate) fn start_sequence<'a>(
    configs: impl IntoIterator<Item = &'a ActorConfig>,
) -> Result<Vec<String>, Unmet> {
    let edges = configs.into_iter().map(|config| (config.name.clone(), config.dependencies.clone()));
    let actors: BTreeMap<String, Vec<String>> = edges.collect();
    let others = actors.values().flatten().filter(|name| !actors.contains_key(*name)).cloned().collect();
    let mut sequence: Vec<String> = Vec::with_capacity(actors.len());
    for name in actors.keys() {
        let mut order = start_order(name, &actors, &others)?;
        order.push(name.clone());
        for name in order {
            if !sequence.contains(&name) {
                sequence.push(name);
            }
        }
    }
    Ok(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        edges.iter().map(|(name, dependencies)| ((*name).to_owned(), owned(dependencies))).collect()
    }

    fn order(start: &str, edges: &[(&str, &[&str])]) -> Result<Vec<String>, Unmet> {
        start_order(start, &graph(edges), &BTreeSet::from(["redis".to_owned()]))
    }

    #[test]
    fn dependencies_come_before_those_who_need_them_and_once() {
        let diamond: &[(&str, &[&str])] =
            &[("a", &["b", "c"]), ("b", &["d", "redis"]), ("c", &["d"]), ("d", &[])];
        assert_eq!(order("a", diamond).unwrap(), ["d", "b", "c"]);
    }

    #[test]
    fn a_cycle_is_told_with_its_way() {
        let unmet = order("a", &[("a", &["b"]), ("b", &["c"]), ("c", &["a"])]).unwrap_err();
        assert_eq!(unmet.reason, "they wait for each other: a -> b -> c -> a");
    }

    #[test]
    fn an_unknown_name_is_told() {
        let unmet = order("a", &[("a", &["redis", "ghost"])]).unwrap_err();
        assert_eq!((unmet.actor.as_str(), unmet.dependency.as_str()), ("a", "ghost"));
    }

    #[test]
    fn a_long_chain_is_walked() {
        let names: Vec<String> = (0..2_000).map(|n| format!("a{n}")).collect();
        let actors = names.windows(2).map(|pair| (pair[0].clone(), vec![pair[1].clone()]));
        let mut actors: BTreeMap<String, Vec<String>> = actors.collect();
        actors.insert("a1999".to_owned(), Vec::new());
        assert_eq!(start_order("a0", &actors, &BTreeSet::new()).unwrap().len(), 1_999);
    }
}
