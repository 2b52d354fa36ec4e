//! Jobs run in the order of submission, whatever is called back on a busy machine.

use std::time::Duration;

use hero_supervisor::domain::model::job::JobState;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;

use super::osis_program::{OsisProgram, end, script};

#[tokio::test]
async fn jobs_run_in_the_order_of_submission_while_host_and_actor_are_held_up() {
    let rig = OsisProgram::start().await;
    let actor = rig.ready_actor("osis_actor_0").await;
    let host = actor.host().await;
    let text = |number: usize| {
        let nap = if number % 12 == 5 { format!("sleep(0.0{});", 40 + number % 50) } else { String::new() };
        format!(
            "let s = osis_get(\"order\", \"s\"); let last = if s == () {{ -1 }} else {{ s.last }}; \
             osis_set(\"order\", #{{id: \"s\", last: {number}}}); {nap} last"
        )
    };
    let mut jobs = Vec::new();
    let disturb = async {
        let mut rng = fastrand::Rng::with_seed(7);
        loop {
            let victim = if rng.bool() { host } else { actor.pid() };
            kill(Pid::from_raw(victim), Signal::SIGSTOP).unwrap();
            sleep(Duration::from_millis(rng.u64(1..70))).await;
            kill(Pid::from_raw(victim), Signal::SIGCONT).unwrap();
            sleep(Duration::from_millis(rng.u64(1..70))).await;
        }
    };
    let work = async {
        for batch in 0..40 {
            let specs = (0..10).map(|number| script(&text(batch * 10 + number))).collect();
            jobs.extend(rig.submit_all(specs).await);
            sleep(Duration::from_millis(30)).await;
        }
        let mut wrong = Vec::new();
        for (number, (id, completion)) in jobs.into_iter().enumerate() {
            let finished = end(&id, completion).await;
            assert_eq!((finished.outcome.state(), finished.attempt), (JobState::Succeeded, 1), "{number}");
            let before = (i64::try_from(number).unwrap() - 1).to_string();
            if !matches!(&finished.outcome, hero_supervisor::domain::model::job::Outcome::Succeeded(result) if result.text == before)
            {
                wrong.push((number, finished.outcome));
            }
        }
        wrong
    };
    let wrong = tokio::select! {
        wrong = work => wrong,
        () = disturb => unreachable!(),
    };
    for pid in [host, actor.pid()] {
        kill(Pid::from_raw(pid), Signal::SIGCONT).unwrap();
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
