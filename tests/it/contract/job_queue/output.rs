//! What scripts say is kept with their job: in order, once, and only by who holds it.

use std::slice::from_ref;
use std::time::Duration;

use hero_supervisor::domain::model::job::{JobSpec, JobState, JobView};
use hero_supervisor::domain::model::output::LogStream;
use hero_supervisor::domain::model::output::{Gaps, OutputChunk, OutputItem, OutputMark, StoredChunk};
use hero_supervisor::ports::job_queue::{Deleted, Retried};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::{Lease, LeaseOutput};

use super::queue_contract::{
    Kind, OSIS, QueueContract, Settings, failure, finish, read, spec, submit, success, take_one, text,
    until_state, with_attempts,
};

pub(super) fn line(bench: &QueueContract, number: u64, text: &str) -> OutputChunk {
    let stream = if number.is_multiple_of(2) { LogStream::Stderr } else { LogStream::Stdout };
    OutputChunk { number, at: bench.now(), item: OutputItem::Line { stream, text: text.to_owned() } }
}

fn progress(bench: &QueueContract, number: u64, percent: Option<f64>, message: &str) -> OutputChunk {
    OutputChunk {
        number,
        at: bench.now(),
        item: OutputItem::Progress { percent, message: message.to_owned() },
    }
}

fn of(lease: &Lease, chunks: &[OutputChunk]) -> LeaseOutput {
    LeaseOutput { lease: lease.clone(), chunks: chunks.to_vec() }
}

pub(super) async fn all(queue: &dyn Queue, lease: &Lease) -> Vec<StoredChunk> {
    const PAGE: usize = 1000;
    let (mut all, mut after) = (Vec::new(), OutputMark::default());
    loop {
        let page = queue.output(OSIS.into(), &lease.job_id, &after, PAGE).await.unwrap();
        let is_last = page.len() < PAGE;
        after = page.last().map_or(after, |last| last.mark.clone());
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

pub(super) fn said(kept: &[StoredChunk]) -> Vec<(u32, u64, &OutputItem)> {
    kept.iter().map(|kept| (kept.attempt, kept.chunk.number, &kept.chunk.item)).collect()
}

pub(super) async fn what_a_script_says_is_kept_in_order_with_its_job(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, spec("1")).await;
    let taken = take_one(&actor).await;
    let lease = &taken.lease;
    assert_eq!(all(queue.as_ref(), lease).await, []);
    let first = [line(&bench, 1, "grüße"), line(&bench, 2, ""), progress(&bench, 3, Some(40.5), "copying")];
    assert_eq!(actor.report_output(&[of(lease, &first)]).await.unwrap(), []);
    let running = read(&queue, &job.id).await.progress.unwrap();
    assert_eq!((running.percent, running.message.as_str()), (Some(40.5), "copying"));
    // A repeat, as after a lost answer, and more.
    let second = [first[2].clone(), line(&bench, 4, "two"), progress(&bench, 5, None, "nearly")];
    assert_eq!(actor.report_output(&[of(lease, &second)]).await.unwrap(), []);
    let mut end = success(&bench, lease, text("done"));
    end.output = vec![line(&bench, 5, "seen"), line(&bench, 9, "last words")];
    assert!(finish(&actor, end).await);

    let kept = all(queue.as_ref(), lease).await;
    let expected: Vec<OutputChunk> =
        first.iter().chain(&second[1..]).cloned().chain([line(&bench, 9, "last words")]).collect();
    let expected: Vec<_> = expected.iter().map(|chunk| (1, chunk.number, &chunk.item)).collect();
    assert_eq!(said(&kept), expected);
    assert!(kept.iter().all(|kept| kept.chunk.at <= bench.now()));
    let mut gaps = Gaps::default();
    assert_eq!(kept.iter().map(|kept| gaps.before(kept)).sum::<u64>(), 3);
    let rest = queue.output(OSIS.into(), &job.id, &kept[1].mark, 2).await.unwrap();
    assert_eq!(rest, kept[2..4]);
    let ended = read(&queue, &job.id).await;
    assert_eq!(ended.progress.map(|progress| progress.message).as_deref(), Some("nearly"));
    queue.close().await;
}

pub(super) async fn a_retry_that_counts_anew_is_heard_from_its_first_word(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, spec("boom")).await;
    let taken = take_one(&actor).await;
    let first = [line(&bench, 1, "one"), progress(&bench, 2, Some(10.0), "old"), line(&bench, 3, "three")];
    assert_eq!(actor.report_output(&[of(&taken.lease, &first)]).await.unwrap(), []);
    assert!(finish(&actor, failure(&bench, &taken.lease, "boom")).await);
    assert!(matches!(queue.retry(&job.id, true, None).await.unwrap(), Retried::Queued(_)));
    assert_eq!(read(&queue, &job.id).await.progress, None, "how far the run before was");
    let again = take_one(&actor).await;
    assert_eq!(again.attempt, 1);
    let second = [line(&bench, 1, "uno"), line(&bench, 2, "due")];
    assert_eq!(actor.report_output(&[of(&again.lease, &second)]).await.unwrap(), []);
    let expected: Vec<_> = second.iter().map(|chunk| (1, chunk.number, &chunk.item)).collect();
    assert_eq!(said(&all(queue.as_ref(), &again.lease).await), expected);
    queue.close().await;
}

pub(super) async fn little_output_that_comes_with_the_end_is_read_like_any_other(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, with_attempts("1", 3)).await;
    let mut expected = Vec::new();
    // Two attempts that end at once, and one that says something while it runs.
    let lines = [line(&bench, 1, "grüße\nund\0 mehr"), line(&bench, 3, ""), line(&bench, 4, "1 2 out 3")];
    for attempt in 1..=2 {
        let taken = take_one(&actor).await;
        let mut end = failure(&bench, &taken.lease, "boom");
        end.output = lines.to_vec();
        assert!(finish(&actor, end).await);
        expected.extend(lines.iter().map(|chunk| (attempt, chunk.number, &chunk.item)));
        until_state(&queue, &job.id, JobState::Queued).await;
    }
    let taken = take_one(&actor).await;
    let (running, last) = (line(&bench, 1, "running"), line(&bench, 2, "last"));
    assert_eq!(actor.report_output(&[of(&taken.lease, from_ref(&running))]).await.unwrap(), []);
    let mut end = success(&bench, &taken.lease, text("1"));
    end.output = vec![last.clone()];
    assert!(finish(&actor, end).await);
    expected.extend([(3, 1, &running.item), (3, 2, &last.item)]);

    let kept = all(queue.as_ref(), &taken.lease).await;
    assert_eq!(said(&kept), expected);
    let mut gaps = Gaps::default();
    assert_eq!(kept.iter().map(|kept| gaps.before(kept)).sum::<u64>(), 2);
    for (place, before) in kept.iter().enumerate() {
        for limit in [1, 2, 100] {
            let rest = queue.output(OSIS.into(), &job.id, &before.mark, limit).await.unwrap();
            let end = kept.len().min(place + 1 + limit);
            assert_eq!(rest, kept[place + 1..end], "behind {place}, {limit}");
        }
    }
    queue.close().await;
}

pub(super) async fn a_void_lease_says_nothing(kind: Kind) {
    let bench = kind.bench_with(Settings { lease: Duration::from_secs(1), ..Settings::default() }).await;
    let queue = bench.supervisor();
    let one = bench.actor("osis_actor_0", 41).await;
    let two = bench.actor("osis_actor_1", 42).await;
    let job = submit(&queue, with_attempts("1", 2)).await;
    let first = take_one(&one).await;
    one.report_output(&[of(&first.lease, &[line(&bench, 1, "alive")])]).await.unwrap();
    one.start(&[(first.lease.clone(), bench.now())]).await.unwrap();
    until_state(&queue, &job.id, JobState::Queued).await;
    let zombie = [of(&first.lease, &[line(&bench, 2, "zombie"), progress(&bench, 3, Some(99.0), "zombie")])];
    assert_eq!(one.report_output(&zombie).await.unwrap(), from_ref(&first.lease));
    let second = take_one(&two).await;
    assert_eq!(one.report_output(&zombie).await.unwrap(), from_ref(&first.lease));
    assert_eq!(two.report_output(&[of(&second.lease, &[line(&bench, 1, "mine")])]).await.unwrap(), []);
    let mut end = success(&bench, &first.lease, text("late"));
    end.output = zombie[0].chunks.clone();
    assert!(!finish(&one, end).await);
    assert!(finish(&two, success(&bench, &second.lease, text("2"))).await);
    let kept = all(queue.as_ref(), &second.lease).await;
    let lines = [line(&bench, 1, "alive"), line(&bench, 1, "mine")];
    assert_eq!(said(&kept), [(1, 1, &lines[0].item), (2, 1, &lines[1].item)]);
    assert_eq!(read(&queue, &job.id).await.progress, None);
    let after_the_end = of(&second.lease, &[line(&bench, 2, "ghost")]);
    assert_eq!(two.report_output(&[after_the_end]).await.unwrap(), from_ref(&second.lease));
    queue.close().await;
}

pub(super) async fn several_jobs_are_reported_in_one_call(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let mut taken = Vec::new();
    for script in ["a", "b", "c"] {
        submit(&queue, spec(script)).await;
        taken.push(take_one(&actor).await);
    }
    assert!(finish(&actor, failure(&bench, &taken[1].lease, "over")).await);
    let output: Vec<LeaseOutput> =
        taken.iter().map(|taken| of(&taken.lease, &[line(&bench, 1, &taken.spec.script)])).collect();
    assert_eq!(actor.report_output(&output).await.unwrap(), from_ref(&taken[1].lease));
    for (index, expected) in [(0, 1), (1, 0), (2, 1)] {
        assert_eq!(all(queue.as_ref(), &taken[index].lease).await.len(), expected);
    }
    queue.close().await;
}

pub(super) async fn output_is_bounded_and_goes_with_its_job(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, spec("1")).await;
    let taken = take_one(&actor).await;
    for batch in 0..30 {
        let lines: Vec<OutputChunk> =
            (1..=1000).map(|number| line(&bench, batch * 1000 + number, &"x".repeat(100))).collect();
        assert_eq!(actor.report_output(&[of(&taken.lease, &lines)]).await.unwrap(), []);
    }
    let kept = all(queue.as_ref(), &taken.lease).await;
    assert!((5_000..=11_000).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last().map(|kept| kept.chunk.number), Some(30_000));
    assert!(kept.is_sorted_by(|one, two| one.chunk.number + 1 == two.chunk.number));
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    assert_eq!(queue.delete(&job.id).await.unwrap(), Deleted::Gone);
    assert_eq!(all(queue.as_ref(), &taken.lease).await, []);

    let short = submit(&queue, JobSpec { result_ttl: Duration::from_secs(1), ..spec("2") }).await;
    let taken = take_one(&actor).await;
    let mut end = success(&bench, &taken.lease, text("2"));
    end.output = vec![line(&bench, 1, "hello")];
    assert!(finish(&actor, end).await);
    crate::support::wait::eventually(
        "the output goes with its job",
        super::queue_contract::LIMIT,
        || async {
            queue.maintain().await.unwrap();
            let kept = all(queue.as_ref(), &taken.lease).await.len();
            // A job that is there was there when its output was read; how long that took does not matter.
            if queue.get(&short.id, JobView::Basic).await.unwrap().is_some() {
                assert_eq!(kept, 1, "the job is there without its output");
                return None;
            }
            (kept == 0).then_some(())
        },
    )
    .await;
    queue.close().await;
}
