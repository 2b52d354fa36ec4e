//! Output of scripts reaches the queue, in order and before the end of their job.

use super::*;

/// Job and text of all output, and whether the output came with the end.
fn heard(queue: &FakeQueue) -> Vec<(String, String, bool)> {
    let text = |item: &OutputItem| match item {
        OutputItem::Line { text, .. } => text.clone(),
        OutputItem::Progress { message, .. } => message.clone(),
    };
    let state = queue.state();
    state.heard.iter().map(|(job, chunk, end)| (job.clone(), text(&chunk.item), *end)).collect()
}

fn heard_of(job: &str, said: &[(&str, bool)]) -> Vec<(String, String, bool)> {
    said.iter().map(|(text, end)| (job.to_owned(), (*text).to_owned(), *end)).collect()
}

#[tokio::test(start_paused = true)]
async fn jobs_that_say_nothing_are_reported_by_their_ends_alone() {
    let queue = FakeQueue::new(&["a", "b 100", "c"]);
    let running = run(&queue);
    running.ended(3).await;
    let state = queue.state();
    assert_eq!((state.reports, state.heard.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_script_says_is_reported_while_it_runs_and_its_last_words_with_its_end() {
    let queue = FakeQueue::new(&["say 1000"]);
    let running = run(&queue);
    queue.until("the first words", |state| !state.heard.is_empty()).await;
    assert!(queue.state().ends.is_empty());
    running.ended(1).await;
    assert_eq!(heard(&queue), heard_of("say_1000", &[("begins", false), ("ends", true)]));
    assert_eq!(queue.state().reports, 1);
}

#[tokio::test(start_paused = true)]
async fn an_end_waits_for_earlier_words_that_are_on_their_way() {
    let queue = FakeQueue::new(&["say 10", "b"]);
    queue.state().report_takes = Duration::from_millis(1000);
    let running = run(&queue);
    running.ended(2).await;
    assert_eq!(queue.names(), ["b", "say_10"], "others need not wait");
    assert_eq!(heard(&queue), heard_of("say_10", &[("begins", false), ("ends", true)]));
    assert_eq!(running.stop().await, Ended::Drained);
}

#[tokio::test(start_paused = true)]
async fn words_that_could_not_be_reported_come_later() {
    let queue = FakeQueue::new(&["say 3000"]);
    queue.state().report_takes = Duration::from_millis(100);
    let running = run(&queue);
    queue.until("it runs", |state| !state.started.is_empty()).await;
    queue.state().away = true;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(heard(&queue), []);
    queue.state().away = false;
    running.ended(1).await;
    let heard: Vec<String> = heard(&queue).into_iter().map(|(_, text, _)| text).collect();
    assert_eq!(heard, ["begins", "ends"]);
}

#[tokio::test(start_paused = true)]
async fn a_killed_script_leaves_its_last_lines_in_the_error() {
    let queue = FakeQueue::new(&[]);
    let mut spec = JobSpec::new(ScriptType::OSIS, "say 100000");
    spec.run_timeout = Duration::from_secs(1);
    queue.add_spec(spec);
    let running = run(&queue);
    running.ended(1).await;
    let state = queue.state();
    let error = state.ends[0].1.as_ref().unwrap_err();
    assert_eq!((error.kind, &error.log_tail[..]), (JobErrorKind::RunTimeout, &["begins".to_owned()][..]));
}

#[tokio::test(start_paused = true)]
async fn a_void_lease_found_by_a_report_kills_the_script() {
    let queue = FakeQueue::new(&["say 900000"]);
    queue.state().void.insert("say_900000".to_owned());
    queue.add("next");
    let running = run(&queue);
    let begun = Instant::now();
    running.ended(1).await;
    assert_eq!(queue.names(), ["next"]);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
