//! A queue that refuses, answers late or not at all, and an actor that was frozen.

use super::*;

const LEASE: Duration = Duration::from_secs(15);

#[tokio::test(start_paused = true)]
async fn an_end_that_is_refused_for_long_is_written_in_the_end_and_its_job_runs_once() {
    let queue = FakeQueue::new(&["work 2000", "next 1"]);
    let running = run(&queue);
    queue.until("it runs", |state| !state.started.is_empty()).await;
    queue.state().refuses = true;
    sleep(LEASE * 20).await;
    assert!(queue.state().ends.is_empty());
    queue.state().refuses = false;
    running.ended(2).await;
    sleep(LEASE * 2).await;
    assert_eq!(running.ran(), ["work 2000", "next 1"]);
    assert_eq!(running.kind("work_2000"), None, "it succeeded, and that is told");
    assert_eq!(running.stop().await, Ended::Drained);
}

#[tokio::test(start_paused = true)]
async fn more_ends_than_one_call_takes_are_all_kept() {
    let names: Vec<String> = (0..300).map(|number| format!("j{number} 100")).collect();
    let queue = FakeQueue::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    queue.state().refused_ends = names.iter().map(|name| name.replace(' ', "_")).collect();
    let running = run_with(&queue, FakeHosts::default(), WorkerConfig::side_by_side(200));
    while running.ran().len() < 300 {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(LEASE * 3).await;
    assert_eq!(queue.state().beaten.len(), 300, "their leases are renewed");
    queue.state().refused_ends.clear();
    running.ended(300).await;
    assert_eq!(running.ran().len(), 300);
    assert_eq!(running.stop().await, Ended::Drained);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_was_refused_is_reported_later() {
    let queue = FakeQueue::new(&["work 8000"]);
    queue.state().pending.clear();
    let running = run(&queue);
    while running.ran().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    queue.state().refuses = true;
    sleep(Duration::from_secs(3)).await;
    assert!(queue.state().started.is_empty());
    queue.state().refuses = false;
    queue.until("the start is told", |state| !state.started.is_empty()).await;
    assert!(queue.state().ends.is_empty());
    running.ended(1).await;
}

#[tokio::test(start_paused = true)]
async fn one_end_that_is_refused_keeps_no_other_back_until_its_lease_is_void() {
    let queue = FakeQueue::new(&["bad", "a", "b"]);
    queue.state().refused_ends.insert("bad".to_owned());
    let running = run(&queue);
    running.ended(2).await;
    sleep(LEASE * 4).await;
    queue.add("c");
    running.ended(3).await;
    assert_eq!(queue.names(), ["a", "b", "c"]);
    assert!(queue.state().beaten.contains(&"bad".to_owned()), "its lease is kept");
    queue.state().void.insert("bad".to_owned());
    queue.state().pending.clear();
    assert_eq!(running.stop().await, Ended::Drained, "a void end is dropped");
    assert_eq!(queue.names(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_is_asked_to_end_waits_for_the_queue_and_gives_up_when_it_has_to() {
    for force in [false, true] {
        let queue = FakeQueue::new(&["work 2000"]);
        let running = run(&queue);
        queue.until("it runs", |state| !state.started.is_empty()).await;
        queue.state().refuses = true;
        sleep(Duration::from_secs(3)).await;
        running.shutdown.soft().cancel();
        sleep(LEASE * 4).await;
        assert!(!running.task.is_finished(), "it holds an end");
        if force {
            running.shutdown.escalate();
            running.shutdown.escalate();
            assert_eq!(running.task.await.unwrap(), Ended::Abandoned);
            continue;
        }
        queue.state().refuses = false;
        assert_eq!(running.task.await.unwrap(), Ended::Drained);
        assert_eq!(queue.names(), ["work_2000"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_whose_answers_are_lost_is_written_once() {
    let queue = FakeQueue::new(&["a", "b"]);
    queue.state().loses_answers = true;
    let running = run(&queue);
    queue.until("it was tried again", |state| state.finish_calls > 3).await;
    queue.state().loses_answers = false;
    queue.add("c");
    running.ended(3).await;
    assert_eq!(queue.names(), ["a", "b", "c"]);
    assert_eq!(running.ran(), ["a", "b", "c"]);
    assert_eq!(running.stop().await, Ended::Drained);
}

/// A failover to a replica that had not heard of the end.
#[tokio::test(start_paused = true)]
async fn what_the_queue_has_forgotten_is_not_run_again() {
    let queue = FakeQueue::new(&["a"]);
    let running = run(&queue);
    running.ended(1).await;
    {
        let mut state = queue.state();
        state.ends.clear();
        let mut spec = JobSpec::new(ScriptType::OSIS, "a");
        spec.run_timeout = Duration::from_secs(1000);
        state.pending.push(TakenJob { lease: lease("a"), spec, attempt: 1 });
        state.away = true;
    }
    sleep(Duration::from_secs(10)).await;
    queue.state().away = false;
    running.ended(1).await;
    assert_eq!(running.kind("a"), Some(JobErrorKind::ActorLost), "how it ended is unknown");
    queue.add("b");
    running.ended(2).await;
    assert_eq!(running.ran(), ["a", "b"]);
}

/// The actor was frozen between the delivery and the reading of it.
#[tokio::test(start_paused = true)]
async fn what_comes_long_after_it_was_asked_for_is_not_started_before_its_lease_was_renewed() {
    for void in [true, false] {
        let queue = FakeQueue::new(&[]);
        let running = run(&queue);
        queue.until("it waits for work", |state| !state.takes.is_empty()).await;
        queue.state().take_takes = LEASE * 3;
        sleep(Duration::from_secs(6)).await;
        queue.add("late");
        if void {
            queue.state().void.insert("late".to_owned());
            queue.state().forgets.insert("late".to_owned());
        }
        queue.until("it is delivered", |state| !state.pending.is_empty() || state.waiting.is_empty()).await;
        queue.state().take_takes = Duration::ZERO;
        queue.add("next");
        running.ended(if void { 1 } else { 2 }).await;
        let ran = running.ran();
        assert_eq!(ran, if void { vec!["next"] } else { vec!["late", "next"] });
    }
}

/// The machine slept: the clock of the host counts that, and the clock of the actor does not.
#[tokio::test(start_paused = true)]
async fn what_a_host_took_for_too_late_is_not_sent_again_before_its_lease_was_renewed() {
    let queue = FakeQueue::new(&["stale"]);
    let running = run(&queue);
    running.ended(1).await;
    assert_eq!(queue.state().beaten, ["stale"], "one heartbeat, and then it ran");
    assert_eq!(running.ran(), ["stale"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_its_host_has_refused_does_not_fail_when_that_host_dies() {
    let queue = FakeQueue::new(&["stale to death", "next"]);
    let running = run(&queue);
    running.ended(2).await;
    assert_eq!(queue.names(), ["stale_to_death", "next"]);
    assert_eq!((running.kind("stale_to_death"), running.kind("next")), (None, None));
    assert_eq!(running.ran(), ["stale to death", "next"]);
    assert!(queue.state().started.is_empty(), "nor is it told as started while its host refuses it");
    assert_eq!(running.hosts.log.lock().unwrap().launched, 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_in_time_when_its_job_came_late_in_a_read() {
    let queue = FakeQueue::new(&[]);
    let running = run(&queue);
    queue.until("it waits for work", |state| !state.takes.is_empty()).await;
    let asked = Instant::now();
    sleep(Duration::from_millis(4900)).await;
    queue.add("hang");
    queue.until("it is renewed", |state| state.beaten == ["hang"]).await;
    assert!(asked.elapsed() <= LEASE / 3 + Duration::from_millis(10), "{:?}", asked.elapsed());
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_script_has_time_to_end_by_itself_and_costs_no_host() {
    let queue = FakeQueue::new(&["polite 500", "next"]);
    let config = WorkerConfig { stop_grace: Duration::from_secs(2), ..WorkerConfig::one_after_another() };
    let running = run_with(&queue, FakeHosts::default(), config.clone());
    sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    queue.state().void.insert("polite_500".to_owned());
    queue.send(Work::Cancelled { lease: lease("polite 500") });
    running.ended(1).await;
    assert_eq!(queue.names(), ["next"]);
    let took = begun.elapsed();
    assert!((500..700).contains(&took.as_millis()), "{took:?}");
    {
        let log = running.hosts.log.lock().unwrap();
        assert_eq!((log.launched, log.terminated), (1, 1));
    }
    let queue = FakeQueue::new(&["stubborn", "next"]);
    let running = run_with(&queue, FakeHosts::default(), config);
    sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    queue.state().void.insert("stubborn".to_owned());
    queue.send(Work::Cancelled { lease: lease("stubborn") });
    running.ended(1).await;
    let took = begun.elapsed();
    assert!((2000..2200).contains(&took.as_millis()), "{took:?}");
    assert_eq!(running.hosts.log.lock().unwrap().launched, 2);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_stops_overlong_scripts_is_given_the_time_to_do_so() {
    let queue = FakeQueue::new(&[]);
    let mut spec = JobSpec::new(ScriptType::OSIS, "takes 2900");
    spec.run_timeout = Duration::from_secs(1);
    queue.add_spec(spec);
    let config = WorkerConfig { stop_grace: Duration::from_secs(2), ..WorkerConfig::one_after_another() };
    let running = run_with(&queue, FakeHosts::default(), config);
    running.ended(1).await;
    assert_eq!(running.hosts.log.lock().unwrap().terminated, 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_on_its_way_comes_behind_what_is_given_back() {
    let queue = FakeQueue::new(&["slow 3000", "b", "c"]);
    let running = run(&queue);
    queue.until("it runs", |state| !state.started.is_empty()).await;
    queue.state().loses_take = true;
    queue.add("d");
    running.ended(4).await;
    assert_eq!(running.ran(), ["slow 3000", "b", "c", "d"]);
    assert_eq!(running.stop().await, Ended::Drained);
}
