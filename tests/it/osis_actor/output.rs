//! What scripts print and how far they are, on its way to who watches.

use std::time::Duration;

use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{JobErrorKind, JobState};
use hero_supervisor::domain::model::output::LogStream;
use hero_supervisor::domain::model::output::{Gaps, OutputItem, OutputMark, StoredChunk};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::ports::job_queue::JobQueue;

use super::osis_program::{OsisProgram, SOON, end, script, script_for};
use crate::support::wait::eventually;

async fn output(rig: &OsisProgram, id: &JobId) -> Vec<StoredChunk> {
    rig.queue.output(ScriptType::OSIS.into(), id, &OutputMark::default(), 100_000).await.unwrap()
}

fn shown(kept: &[StoredChunk]) -> Vec<String> {
    let show = |kept: &StoredChunk| match &kept.chunk.item {
        OutputItem::Line { stream: LogStream::Stdout, text } => format!("out {text}"),
        OutputItem::Line { stream: LogStream::Stderr, text } => format!("err {text}"),
        OutputItem::Progress { percent, message } => format!("{percent:?} {message}"),
    };
    kept.iter().map(show).collect()
}

#[tokio::test]
async fn a_watcher_sees_lines_and_progress_while_the_script_runs() {
    let rig = OsisProgram::start().await;
    let _actor = rig.ready_actor("osis_actor_0").await;
    let text = r#"print("one"); eprintln("zwei ✓"); progress(40, "copying"); println(""); sleep(600); print("late")"#;
    let (id, _completion) = rig.submit(script_for(text, Duration::from_secs(600))).await;
    let kept = eventually("its first words", SOON, || async {
        Some(output(&rig, &id).await).filter(|kept| kept.len() >= 4)
    })
    .await;
    assert_eq!(shown(&kept), ["out one", "err zwei ✓", "Some(40.0) copying", "out "]);
    let job = rig.job(&id).await;
    assert_eq!(job.state, JobState::Running);
    assert_eq!(
        job.progress.map(|progress| (progress.percent, progress.message)),
        Some((Some(40.0), "copying".to_owned()))
    );
    rig.queue.cancel(&id, "seen enough").await.unwrap();
}

#[tokio::test]
async fn a_short_script_says_all_of_it_with_its_end_and_in_order() {
    let rig = OsisProgram::start().await;
    let _actor = rig.ready_actor("osis_actor_0").await;
    let text = "for n in 1..=200 { print(n); eprintln(n); } debug(7); progress(\"done\"); 1";
    let (id, completion) = rig.submit(script(text)).await;
    end(&id, completion).await;
    let kept = output(&rig, &id).await;
    let lines = (1..=200).flat_map(|n| [format!("out {n}"), format!("err {n}")]);
    let expected: Vec<String> = lines.chain(["err [1:45] 7".to_owned(), "None done".to_owned()]).collect();
    assert_eq!(shown(&kept), expected);
    let mut gaps = Gaps::default();
    assert_eq!(kept.iter().map(|kept| gaps.before(kept)).sum::<u64>(), 0);
}

#[tokio::test]
async fn a_script_that_prints_too_much_is_cut_and_the_cut_can_be_counted() {
    let rig = OsisProgram::start().await;
    let _actor = rig.ready_actor("osis_actor_0").await;
    let text =
        "let line = \"\"; line.pad(100, 'x'); for n in 0..100000 { print(line); } print(\"the end\"); 1";
    let (id, completion) = rig.submit(script(text)).await;
    end(&id, completion).await;
    let kept = output(&rig, &id).await;
    let mut gaps = Gaps::default();
    let missing: u64 = kept.iter().map(|kept| gaps.before(kept)).sum();
    assert!(kept.len() < 20_000 && missing > 50_000, "{} kept, {missing} missing", kept.len());
    assert_eq!(kept.len() as u64 + missing, 100_001);
    assert_eq!(shown(&kept).last().map(String::as_str), Some("out the end"));
}

#[tokio::test]
async fn a_script_that_is_killed_leaves_its_last_lines() {
    let rig = OsisProgram::start().await;
    let _actor = rig.ready_actor("osis_actor_0").await;
    let error = rig.error(script_for("print(\"before\"); sleep(60)", Duration::from_millis(300))).await;
    assert_eq!((error.kind, error.log_tail), (JobErrorKind::RunTimeout, vec!["before".to_owned()]));
    let deep =
        "print(\"deep\"); sleep(0.2); let f = |x| x; for i in 0..1000000 { let g = f; f = |x| g.call(x); }";
    let (id, completion) = rig.submit(script(deep)).await;
    end(&id, completion).await;
    assert_eq!(shown(&output(&rig, &id).await), ["out deep"]);
}
