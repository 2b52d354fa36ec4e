//! Programs that are kept.

use std::fs;

use hero_supervisor::domain::model::job::JobErrorKind;

use super::StandIn;
use crate::osis_actor::osis_program::OsisProgram;
use crate::v_actor::{job, result};

#[tokio::test]
async fn a_damaged_program_is_never_run_and_compiled_anew() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let actor = stand_in.actor(&rig);
    let script = "echo seen";
    assert_eq!(result(&rig, script).await.text, "seen");
    let whole = fs::read(&stand_in.kept()[0]).unwrap();
    drop(actor);
    // By a host that has not seen the whole one.
    let _actor = stand_in.actor(&rig);
    let damages = [&b""[..], b"garbage", b"#!/bin/sh\necho poison\n", &whole[..whole.len() / 2]];
    for (number, damage) in damages.into_iter().enumerate() {
        let [kept] = &stand_in.kept()[..] else { panic!("{:?}", stand_in.kept()) };
        fs::remove_file(kept).unwrap();
        fs::write(kept, damage).unwrap();
        assert_eq!(result(&rig, script).await.text, "seen", "{number}");
        assert_eq!(stand_in.compilations(), number + 2);
    }
    assert_eq!(fs::read(&stand_in.kept()[0]).unwrap(), whole);
}

#[tokio::test]
async fn a_job_cannot_exchange_the_program_of_another_unnoticed() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    assert_eq!(result(&rig, "echo mine").await.text, "mine");
    let mine = stand_in.kept().remove(0);
    assert_eq!(result(&rig, "echo poison").await.text, "poison");
    let poison = stand_in.kept().into_iter().find(|path| *path != mine).unwrap();
    let exchanges = format!("cp -f '{}' '{}'", poison.display(), mine.display());
    result(&rig, &exchanges).await;
    assert_eq!(result(&rig, "echo mine").await.text, "mine");
}

#[tokio::test]
async fn a_folder_that_was_tidied_away_is_made_again() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    result(&rig, "echo seen").await;
    fs::remove_dir_all(stand_in.path("cache")).unwrap();
    for _ in 0..2 {
        assert_eq!(result(&rig, "echo seen").await.text, "seen");
    }
    assert_eq!(stand_in.compilations(), 2);
}

#[tokio::test]
async fn a_program_that_ends_as_broken_ones_do_is_compiled_anew_and_runs_once_for_each_job() {
    let (rig, stand_in) = (OsisProgram::start().await, StandIn::new());
    let _actor = stand_in.actor(&rig);
    let runs = stand_in.path("runs");
    for (number, end) in ["kill -SEGV $$", "kill -BUS $$", "exit 126", "exit 127"].into_iter().enumerate() {
        let script = format!("echo x >> '{}'; {end}", runs.display());
        for _ in 0..2 {
            let kind = rig.error(job(&script)).await.kind;
            assert!(matches!(kind, JobErrorKind::EngineCrash | JobErrorKind::ScriptError), "{kind:?}");
        }
        assert_eq!(stand_in.compilations(), 2 * (number + 1), "{end}");
        assert_eq!(stand_in.lines("runs").len(), 2 * (number + 1), "{end}");
    }
}
