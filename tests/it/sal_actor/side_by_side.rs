//! Several jobs at a time, each in a host of its own.

use std::time::Duration;

use hero_supervisor::domain::model::job::Outcome;
use tokio::time::Instant;

use super::script;
use crate::osis_actor::osis_program::{OsisProgram, SOON, end};
use crate::support::wait::eventually;

#[tokio::test]
async fn jobs_run_at_the_same_time() {
    let rig = OsisProgram::start().await;
    let actor = rig.sal_actor("sal_actor_0", &["--concurrency=4"]);
    eventually("four hosts", SOON, || async { (actor.children().len() == 4).then_some(()) }).await;
    // Each goes on when all four are there; one after another, they would wait for ever.
    let dir = tempfile::tempdir().unwrap();
    let source = r#"
        file_write(`${ENV.DIR}/${ENV.HERO_JOB_ID}`, "");
        while find_files(ENV.DIR, "*").len() < 4 { sleep(0.01); }
        sh("echo $PPID").stdout
    "#;
    let specs = (0..4).map(|_| {
        let mut spec = script(source);
        spec.run_timeout = Duration::from_secs(30);
        spec.env.insert("DIR".to_owned(), dir.path().display().to_string());
        spec
    });
    let mut hosts = std::collections::BTreeSet::new();
    for (id, completion) in rig.submit_all(specs.collect()).await {
        let Outcome::Succeeded(result) = end(&id, completion).await.outcome else {
            panic!("{id} waits alone")
        };
        hosts.insert(result.text);
    }
    assert_eq!(hosts.len(), 4, "{hosts:?}");
}

#[tokio::test]
async fn a_long_job_does_not_hold_up_others() {
    let rig = OsisProgram::start().await;
    let _actor = rig.sal_actor("sal_actor_0", &["--concurrency=2"]);
    let (long, completion) = rig.submit(script("sh(\"sleep 5\"); 1")).await;
    rig.until_running(&long).await;
    let begun = Instant::now();
    for (id, completion) in rig.submit_all((0..20).map(|number| script(&number.to_string())).collect()).await
    {
        assert!(matches!(end(&id, completion).await.outcome, Outcome::Succeeded(_)));
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!(matches!(end(&long, completion).await.outcome, Outcome::Succeeded(_)));
}
