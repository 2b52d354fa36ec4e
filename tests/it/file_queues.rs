//! Queues by name that the configuration file declares, in the whole service.

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;

use crate::support::full_service::{FullService, actor, job, osis, submit};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

const FILE: &str = "[[actor]]\nname = \"gpu_0\"\nscript_type = \"osis\"\nqueue = \"osis-gpu\"\n\
                    binary_path = \"/bin/sleep\"\nargs = [\"1000\"]\nreadiness = \"process\"\n\n\
                    [[queue]]\nname = \"osis-gpu\"\nscript_type = \"osis\"\nmax_queue_depth = 7\n\
                    job_defaults = { run_timeout = \"9s\" }\n\n\
                    [[queue]]\nname = \"taken\"\nscript_type = \"osis\"\nmax_queue_depth = 7\n";

async fn says(whole: &FullService, text: &str) {
    eventually(text, LIMIT, || async { whole.service.stderr().contains(text).then_some(()) }).await;
}

async fn settings(whole: &FullService, queue: &str) -> (pb::Queue, Option<i32>) {
    let request = pb::GetQueueRequest { queue: queue.to_owned() };
    let queue = whole.client().get_queue(request).await.unwrap().into_inner().queue.unwrap();
    let settings = queue.status.clone().unwrap().settings.unwrap();
    (queue, settings.max_queue_depth)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_the_file_is_there_with_its_settings_before_its_actors_and_one_of_another_type_stays() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("supervisor.toml");
    let flags = ["--config", &file.display().to_string()];
    let mut whole = FullService::start().await;
    let taken = pb::CreateQueueRequest { queue: "taken".into(), script_type: pb::ScriptType::V.into() };
    whole.client().create_queue(taken).await.unwrap();
    std::fs::write(&file, FILE).unwrap();
    let checked = whole.service.run(["config", "check", flags[0], flags[1]]);
    assert_eq!(checked.code, 0, "{checked:?}");
    whole.service.signal(Signal::SIGKILL);
    whole.service.ended().await;
    whole.service = whole.another(&flags).await;

    says(&whole, "configuration file: queues: 1 there, 1 failed").await;
    says(
        &whole,
        "configuration file: queue[1].script_type: there is a queue taken already, and it takes v jobs",
    )
    .await;
    says(&whole, "configuration file: settings: 1 changed, 0 unchanged, 0 failed").await;
    says(&whole, "configuration file: actors: 1 created, 0 changed, 0 unchanged, 0 removed, 0 failed").await;
    assert_eq!(settings(&whole, "osis-gpu").await.1, Some(7));
    let (taken, depth) = settings(&whole, "taken").await;
    assert_eq!((taken.script_type(), depth), (pb::ScriptType::V, None));
    assert_eq!(actor(&whole.client(), "gpu_0").await.config.unwrap().queue, "osis-gpu");
    let id = submit(&whole.client(), pb::JobSpec { queue: "osis-gpu".into(), ..osis("1") }).await;
    let run_timeout = job(&whole.client(), &id).await.spec.unwrap().run_timeout;
    assert_eq!(run_timeout.map(|span| span.seconds), Some(9));

    whole.service.signal(Signal::SIGKILL);
    whole.service.ended().await;
    whole.service = whole.another(&flags).await;
    says(&whole, "configuration file: settings: 0 changed, 1 unchanged, 0 failed").await;
}
