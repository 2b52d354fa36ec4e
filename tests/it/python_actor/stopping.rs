//! What a script is given to end by itself: two seconds between SIGTERM and SIGKILL.

use std::fs;
use std::path::Path;
use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, Outcome};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::ports::job_queue::JobQueue;
use tokio::time::Instant;

use super::{PYTHON_ACTOR, run};
use crate::osis_actor::osis_program::{OsisProgram, SOON, end};
use crate::support::wait::eventually;

/// Writes that it was asked to end, and goes on writing until it has had `seconds`.
fn stubborn(file: &Path, seconds: f64) -> JobSpec {
    let file = file.display();
    JobSpec::new(
        ScriptType::Python,
        format!(
            "import signal, time, os\n\
             asked = []\n\
             signal.signal(signal.SIGTERM, lambda *a: asked.append(time.monotonic()))\n\
             out = open('{file}', 'w', buffering=1)\n\
             out.write('up\\n')\n\
             while not asked or time.monotonic() < asked[0] + {seconds}:\n    \
                 time.sleep(0.05)\n    \
                 if asked: out.write('%.2f\\n' % (time.monotonic() - asked[0]))\n\
             out.write('cleaned up\\n')\n"
        ),
    )
}

/// How long after the request it last lived, and whether it came to its end.
fn lived(file: &Path) -> (f64, bool) {
    let text = fs::read_to_string(file).unwrap_or_default();
    let last = text.lines().filter_map(|line| line.parse::<f64>().ok()).fold(0.0, f64::max);
    (last, text.contains("cleaned up"))
}

#[tokio::test]
async fn a_script_has_two_seconds_after_its_timeout() {
    let rig = OsisProgram::start().await;
    let dir = tempfile::tempdir().unwrap();
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=2"]);
    run(&rig, "1").await;
    let (polite, rude) = (dir.path().join("polite"), dir.path().join("rude"));
    let of =
        |file: &Path, seconds| JobSpec { run_timeout: Duration::from_secs(1), ..stubborn(file, seconds) };
    let jobs = rig.submit_all(vec![of(&polite, 1.0), of(&rude, 60.0)]).await;
    for (id, completion) in jobs {
        let Outcome::Failed(error) = end(&id, completion).await.outcome else { panic!("it overran") };
        assert_eq!(error.kind, JobErrorKind::RunTimeout);
    }
    assert!(lived(&polite).1, "it had the time: {:?}", lived(&polite));
    let (last, came_to_its_end) = lived(&rude);
    assert!(last > 1.5 && !came_to_its_end, "{last}");
}

#[tokio::test]
async fn a_script_has_two_seconds_after_a_cancel_and_its_host_lives_on() {
    let rig = OsisProgram::start().await;
    let dir = tempfile::tempdir().unwrap();
    let actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    run(&rig, "1").await;
    let host = actor.host().await;
    for (name, seconds) in [("polite", 0.5), ("rude", 60.0)] {
        let file = dir.path().join(name);
        let (id, completion) = rig.submit(stubborn(&file, seconds)).await;
        eventually("it runs", SOON, || async {
            fs::read_to_string(&file).ok()?.contains("up").then_some(())
        })
        .await;
        rig.until_running(&id).await;
        let begun = Instant::now();
        rig.queue.cancel(&id, "not wanted").await.unwrap();
        assert!(matches!(end(&id, completion).await.outcome, Outcome::Cancelled(_)));
        assert_eq!(run(&rig, "6 * 7").await, "42");
        let (last, came_to_its_end) = lived(&file);
        match name {
            "polite" => {
                assert!(came_to_its_end, "{last}");
                assert_eq!(actor.host().await, host, "its host lives on");
            }
            _rude => {
                assert!(last > 1.5 && !came_to_its_end, "{last}");
                assert!(begun.elapsed() > Duration::from_secs(2));
            }
        }
    }
}
