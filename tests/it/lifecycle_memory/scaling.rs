//! Automatic scaling with paused time.

use hero_supervisor::domain::model::event::EventKind;
use hero_supervisor::domain::model::scaling::{ScalingMode, ScalingPolicy};
use hero_supervisor::domain::model::settings::ScriptTypeSettings;

use super::*;

/// Between 0 and 3 actors; the other delays are as usual.
fn automatic() -> ScriptTypeSettings {
    let scaling = ScalingPolicy { mode: ScalingMode::Auto, max_replicas: 3, ..ScalingPolicy::default() };
    ScriptTypeSettings { scaling, ..ScriptTypeSettings::new(ScriptType::OSIS) }
}

async fn until_running(manager: &ActorLifecycleManager, count: usize) {
    eventually(&format!("{count} actors run"), WAIT * 60, || async {
        (manager.get_running_actor_count(&ScriptType::OSIS).await == count).then_some(())
    })
    .await;
}

async fn submit(world: &LifecycleOnMemory) -> hero_supervisor::domain::model::id::JobId {
    let request = JobRequest::new(JobSpec::new(ScriptType::OSIS, "1"));
    world.manager.supervisor().submit(request).await.unwrap().job.id
}

#[tokio::test(start_paused = true)]
async fn actors_follow_the_work_out_in_to_zero_and_back_and_each_step_is_told() {
    let (events, mut told) = hero_supervisor::domain::events::Events::channel();
    let mut world = LifecycleOnMemory::new();
    world.manager = manager_with(&world.broker, &world.processes, events);
    world.manager.create(config("o_0"), false, WAIT).await.unwrap();
    assert!(world.manager.set_script_type_settings(automatic(), None).await.unwrap());

    // From zero at once.
    let begun = tokio::time::Instant::now();
    let first = submit(&world).await;
    until_running(&world.manager, 1).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());

    // Out after five seconds of need.
    let begun = tokio::time::Instant::now();
    let rest = [submit(&world).await, submit(&world).await];
    until_running(&world.manager, 3).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(9), "{took:?}");

    // In five minutes after the last need for three, down to the one that is kept for longer.
    for id in rest.iter().chain([&first]) {
        world.manager.supervisor().cancel(id, "").await.unwrap();
    }
    let begun = tokio::time::Instant::now();
    until_running(&world.manager, 1).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(300) && took < Duration::from_secs(320), "{took:?}");

    // And to zero after fifteen minutes without any job.
    until_running(&world.manager, 0).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(900) && took < Duration::from_secs(920), "{took:?}");

    let begun = tokio::time::Instant::now();
    submit(&world).await;
    until_running(&world.manager, 1).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let mut steps = Vec::new();
    while let Ok(event) = told.try_recv() {
        if let EventKind::ScalingDecided(decision) = event.kind {
            assert!(!decision.reason.is_empty());
            steps.push((decision.current, decision.desired));
        }
    }
    assert_eq!(steps, [(0, 1), (1, 3), (3, 1), (1, 0), (0, 1)]);
    let status = world.manager.script_type(ScriptType::OSIS).await.unwrap();
    assert_eq!(status.last_decision.map(|decision| decision.desired), Some(1));
}

#[tokio::test(start_paused = true)]
async fn who_says_a_number_while_scaling_is_automatic_is_refused_until_he_takes_over() {
    let world = LifecycleOnMemory::new();
    world.manager.create(config("o_0"), false, WAIT).await.unwrap();
    world.manager.set_script_type_settings(automatic(), None).await.unwrap();
    let two = ScaleRequest::new(ScriptType::OSIS, 2);
    let refused = world.manager.scale(two, WAIT).await.unwrap_err();
    assert!(
        matches!(refused, SupervisorError::AutoscalingActive(queue) if queue.as_str() == "osis"),
        "{refused}"
    );
    world.manager.scale(ScaleRequest { take_over: true, ..two }, WAIT).await.unwrap();
    let rules = world.manager.supervisor().settings().of(ScriptType::OSIS);
    assert_eq!((rules.scaling.mode, rules.scaling.replicas), (ScalingMode::Fixed, Some(2)));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.manager.get_running_actor_count(&ScriptType::OSIS).await, 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_supervisors_on_a_node_one_scales_and_the_other_takes_its_place() {
    let world = LifecycleOnMemory::new();
    world.manager.create(config("o_0"), false, WAIT).await.unwrap();
    let second = manager(&world.broker, &world.processes, "here", Vec::new());
    second.open().await.unwrap();
    let least = ScalingPolicy { min_replicas: 2, ..automatic().scaling };
    let rules = ScriptTypeSettings { scaling: least, ..automatic() };
    world.manager.set_script_type_settings(rules, None).await.unwrap();
    until_running(&world.manager, 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.manager.actors().await.unwrap().len(), 2, "nothing was made twice");
    world.manager.close().await;
    let kept = second.script_type_settings(ScriptType::OSIS).await.unwrap().0;
    let three = ScriptTypeSettings { scaling: ScalingPolicy { min_replicas: 3, ..least }, ..kept };
    second.set_script_type_settings(three, None).await.unwrap();
    until_running(&second, 3).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_leaves_open_is_as_the_script_type_has_it_and_a_full_queue_refuses() {
    let world = LifecycleOnMemory::new();
    world.manager.open().await.unwrap();
    let mut rules = ScriptTypeSettings::new(ScriptType::OSIS);
    rules.job_defaults.run_timeout = Some(Duration::from_secs(7));
    rules.max_queue_depth = Some(1);
    world.manager.set_script_type_settings(rules, None).await.unwrap();
    let open =
        hero_supervisor::domain::model::settings::UnsetFields { run_timeout: true, ..Default::default() };
    let job = JobRequest { open, ..JobRequest::new(JobSpec::new(ScriptType::OSIS, "1")) };
    let accepted = world.manager.supervisor().submit(job.clone()).await.unwrap().job;
    assert_eq!(accepted.spec.run_timeout, Duration::from_secs(7));
    let refused = world.manager.supervisor().submit(job).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::QueueFull { limit: 1, .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn scaling_makes_starts_drains_and_lets_go() {
    let world = LifecycleOnMemory::new();
    let none = world.manager.scale(ScaleRequest::new(ScriptType::OSIS, 2), WAIT).await.unwrap_err();
    assert!(matches!(none, SupervisorError::NoTemplate(queue) if queue.as_str() == "osis"));
    world.manager.create(config("o_0"), false, WAIT).await.unwrap();
    let trial = world
        .manager
        .scale(ScaleRequest { trial: true, ..ScaleRequest::new(ScriptType::OSIS, 3) }, WAIT)
        .await
        .unwrap();
    assert_eq!(trial.added, [id("o_0"), id("o_1"), id("o_2")]);
    assert_eq!(world.manager.actors().await.unwrap().len(), 1, "a trial makes nothing");
    let up = world.manager.scale(ScaleRequest::new(ScriptType::OSIS, 3), WAIT).await.unwrap();
    assert!(up.done);
    assert_eq!(world.manager.get_running_actor_count(&ScriptType::OSIS).await, 3);
    assert_eq!(up.actors[1].record.config.name, "o_1");
    world.manager.scale_actors(&ScriptType::OSIS, 1).await.unwrap();
    assert_eq!(world.manager.get_running_actor_count(&ScriptType::OSIS).await, 1);
    world.manager.scale_actors(&ScriptType::OSIS, 0).await.unwrap();
    let left: Vec<String> =
        world.manager.actors().await.unwrap().iter().map(|actor| actor.record.id.to_string()).collect();
    assert_eq!(left, ["o_0"], "what a caller made is stopped, what scaling made is deleted");
}
