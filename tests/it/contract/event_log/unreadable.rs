//! Entries of the log that cannot be read.

use hero_supervisor::domain::events::list::list;
use hero_supervisor::domain::model::event::filter::EventFilter;

use super::{Kind, Place, say};

/// A later version may write what this one cannot read: two full reads of that, in the middle.
#[tokio::test]
async fn on_redis_entries_that_cannot_be_read_end_no_page_and_no_list() {
    let bench = Kind::Redis.bench().await;
    bench.log.append(&[say("old")]).await.unwrap();
    let Place::Redis(redis) = &bench.place else { unreachable!("it is on Redis") };
    let mut connection = redis.connection().await;
    let mut unreadable = redis::pipe();
    for number in 0..1001 {
        unreadable.cmd("XADD").arg("hero:{events}:log").arg("*").arg("e").arg(format!("?{number}")).ignore();
    }
    // And one that could be read, if it were not longer than any message.
    let mut first = redis::cmd("XRANGE");
    first.arg("hero:{events}:log").arg("-").arg("+").arg("COUNT").arg(1);
    let first: Vec<(String, Vec<String>)> = first.query_async(&mut connection).await.unwrap();
    let json = first[0].1.iter().skip_while(|name| *name != "e").nth(1).unwrap();
    let long = format!("{}{json}", " ".repeat(5 * 1024 * 1024));
    unreadable.cmd("XADD").arg("hero:{events}:log").arg("*").arg("e").arg(long).ignore();
    let () = unreadable.query_async(&mut connection).await.unwrap();
    bench.submit("j").await;
    bench.log.append(&[say("new")]).await.unwrap();
    let mut found = Vec::new();
    let everything = EventFilter::default();
    let next = list(bench.log.as_ref(), &everything, None, |logged| {
        found.push(logged.event.message.clone());
        false
    });
    assert_eq!(next.await.unwrap(), None);
    // Two streams have no order within one millisecond.
    let of_control: Vec<&str> =
        found.iter().map(String::as_str).filter(|said| ["new", "old"].contains(said)).collect();
    assert_eq!((found.len(), of_control), (3, vec!["new", "old"]), "{found:?}");
}
