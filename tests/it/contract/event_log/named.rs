//! Events of jobs in queues that are created by name.

use std::slice::from_ref;

use hero_supervisor::ScriptType;
use hero_supervisor::domain::events::list::list;
use hero_supervisor::domain::model::event::Event;
use hero_supervisor::domain::model::event::filter::EventFilter;
use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::queue_name::QueueName;
use hero_supervisor::ports::event_log::{Logged, Read};

use super::Kind;

pub(super) async fn jobs_of_a_named_queue_tell_of_themselves_under_its_name(kind: Kind) {
    let bench = kind.bench().await;
    let gpu = QueueName::parse("gpu").unwrap();
    bench.queue.create_queue(gpu, ScriptType::SAL).await.unwrap();
    let filter = EventFilter { queues: vec![gpu], ..EventFilter::default() };
    let begin = bench.log.extent(&filter.streams()).await.unwrap().newest;
    let of_all = bench.end().await;
    bench.submit("usual").await;
    bench.submit_to(Some(gpu), "j1").await;
    let mut follower = bench.log.follow().await.unwrap();
    let Read::Entries { entries, upto } = follower.next(&begin, 10).await.unwrap() else { panic!("kept") };
    let subject = |logged: &Logged| {
        let Event { queue, script_type, job_id, .. } = &logged.event;
        (*queue, *script_type, job_id.as_ref().map(|id| id.as_str().to_owned()))
    };
    let of_j1 = (Some(gpu), None, Some("j1".to_owned()));
    assert_eq!(entries.iter().map(subject).collect::<Vec<_>>(), from_ref(&of_j1));
    bench.queue.cancel(&JobId::parse("j1").unwrap(), "").await.unwrap();
    let later = bench.entries_after(&upto).await;
    assert_eq!(later.iter().map(subject).collect::<Vec<_>>(), from_ref(&of_j1), "from a cursor");
    let mut listed = Vec::new();
    let next = list(bench.log.as_ref(), &filter, None, |logged| {
        listed.push(subject(logged));
        false
    });
    assert_eq!(next.await.unwrap(), None);
    assert_eq!(listed, [of_j1.clone(), of_j1]);

    assert_eq!(bench.entries_after(&of_all).await.len(), 1, "who names no queue reads the usual one only");

    bench.queue.delete_queue(gpu).await.unwrap();
    assert!(matches!(bench.log.after(&upto, 10).await.unwrap(), Read::Expired { .. }), "it is gone");
}
