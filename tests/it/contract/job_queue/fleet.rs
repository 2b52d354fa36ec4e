//! The machines whose supervisors use one store, and the one that leads them.

use std::time::Duration;

use hero_supervisor::domain::model::id::NodeName;

use super::queue_contract::Kind;

fn node(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

const TERM: Duration = Duration::from_secs(20);
/// A term that is waited for.
const SHORT: Duration = Duration::from_millis(300);

pub(super) async fn machines_are_known_by_when_they_were_seen(kind: Kind) {
    let bench = kind.bench().await;
    let (store, other) = (bench.store(), bench.store());
    let none = store.fleet().await.unwrap();
    assert_eq!((none.seen.len(), none.leader.clone(), none.present().len()), (0, None, 0));
    let (here, there) = (node("here"), node("There.example_1"));
    store.join_fleet(&here, TERM).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let joined = other.join_fleet(&there, TERM).await.unwrap();
    assert_eq!(joined.present(), [there.clone(), here.clone()]);
    let seen = |name: &NodeName| joined.seen.iter().find(|(node, _at)| node == name).unwrap().1;
    assert!(seen(&here) < seen(&there) && seen(&there) <= joined.at, "{joined:?}");
    assert_eq!(store.fleet().await.unwrap().seen.len(), 2, "a look notes nobody");
    let again = store.join_fleet(&here, TERM).await.unwrap();
    assert!(again.seen.iter().all(|(_node, at)| *at >= seen(&there)), "the later time counts: {again:?}");
    assert_eq!(again.seen.len(), 2);
}

pub(super) async fn one_machine_leads_the_fleet(kind: Kind) {
    let bench = kind.bench().await;
    let (store, other) = (bench.store(), bench.store());
    let (here, there) = (node("here"), node("there"));
    assert_eq!(store.join_fleet(&here, TERM).await.unwrap().leader, Some(here.clone()));
    assert_eq!(other.join_fleet(&there, TERM).await.unwrap().leader, Some(here.clone()));
    assert_eq!(store.join_fleet(&here, TERM).await.unwrap().leader, Some(here.clone()), "it can be kept");
    other.leave_fleet(&there).await.unwrap();
    assert_eq!(other.fleet().await.unwrap().leader, Some(here.clone()), "only who has it can give it back");
    store.leave_fleet(&here).await.unwrap();
    assert_eq!(store.fleet().await.unwrap().leader, None);
    assert_eq!(other.join_fleet(&there, SHORT).await.unwrap().leader, Some(there.clone()));
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(other.fleet().await.unwrap().leader, None, "it ends by itself");
    assert_eq!(store.join_fleet(&here, TERM).await.unwrap().leader, Some(here.clone()));
    assert_eq!(store.fleet().await.unwrap().present(), [here, there], "both are there all the while");
}
