//! Promises that can only be seen on real processes.

use std::path::Path;
use std::time::Duration;

use hero_supervisor::domain::model::actor::ExitStatus;
use hero_supervisor::domain::model::output::LogStream;
use hero_supervisor::ports::process_manager::ProcessState;

use super::process_manager_contract::{GRACE, LIMIT, ProcessManagerContract, lives, shell};
use crate::support::wait::eventually;

/// Texts that a shell, TOML or JSON would like to change.
pub(crate) const AWKWARD: &[&str] = &[
    "",
    " ",
    "two  words",
    "it's",
    "\"quoted\"",
    "$HOME ${HOME} $(id) `id`",
    "* ? [a-z] ~ ~root",
    "a;b&c|d>e<f(g)h{i,j}k",
    "back\\slash \\n",
    "line\nbreak\r\n\ttab",
    "\u{1}\u{1b}[31m\u{7f}",
    "žluťoučký 🦀 日本語",
    "!history # comment",
    "'''",
    "\"\"\"",
    "-n",
    "--",
    "%s %d",
    "a=b",
];

/// Waits for a file, whole.
async fn content_of(path: &Path) -> Vec<u8> {
    eventually(&format!("{} is there", path.display()), LIMIT, || async { std::fs::read(path).ok() }).await
}

pub(super) async fn arguments_environment_and_folder_arrive_exactly(stage: ProcessManagerContract) {
    let (seen, folder) = (stage.path("seen"), stage.path("folder with 'quotes' $HOME"));
    std::fs::create_dir(&folder).unwrap();
    // Every argument and variable ended by NUL, into a file that is there only when it is whole.
    let dump = format!(
        "{{ pwd; printf '%s\\0' \"$@\"; tr '\\0' '\\n' < /proc/self/environ | grep -c '^AWKWARD_'; cat /proc/$$/environ; }} > {0}.new && mv {0}.new {0}; exec sleep 1000",
        seen.display()
    );
    let mut spec = shell("exact", &dump);
    spec.args.push("argv0".to_owned());
    spec.args.extend(AWKWARD.iter().map(|text| (*text).to_owned()));
    for (number, text) in AWKWARD.iter().enumerate() {
        spec.env.insert(format!("AWKWARD_{number}"), (*text).to_owned());
    }
    spec.working_dir = Some(folder.clone());
    stage.manager.start(&spec).await.unwrap();
    let seen = String::from_utf8(content_of(&seen).await).unwrap();
    let (dir, rest) = seen.split_once('\n').unwrap();
    assert_eq!(Path::new(dir), folder);
    let arguments: Vec<&str> = rest.split('\0').take(AWKWARD.len()).collect();
    assert_eq!(arguments, AWKWARD);
    for (number, text) in AWKWARD.iter().enumerate() {
        assert!(
            seen.contains(&format!("\0AWKWARD_{number}={text}\0"))
                || seen.contains(&format!("\nAWKWARD_{number}={text}\0")),
            "{number} {text:?}"
        );
    }
    let pid = stage.running("exact").await;
    let name = || async { std::fs::read_to_string(format!("/proc/{pid}/comm")).ok() };
    let is_program = || async { name().await.filter(|name| name.trim() == "sleep") };
    eventually("the pid is the program's own", LIMIT, is_program).await;
    // The same definition again changes nothing, however awkward it is.
    stage.manager.start(&spec).await.unwrap();
    assert_eq!(stage.running("exact").await, pid);
}

/// Starts a process with a grandchild, and answers with the pids of both.
async fn family(stage: &ProcessManagerContract, grandchild: &str) -> (u32, u32) {
    let file = stage.path("grandchild");
    let script =
        format!("{grandchild} & echo $! > {0}.new && mv {0}.new {0}; exec sleep 1000", file.display());
    stage.manager.start(&shell("parent", &script)).await.unwrap();
    let pid = String::from_utf8(content_of(&file).await).unwrap().trim().parse().unwrap();
    (stage.running("parent").await, pid)
}

pub(super) async fn what_a_process_leaves_in_its_group_is_ended(stage: ProcessManagerContract) {
    let (parent, child) = family(&stage, "sleep 1000").await;
    stage.manager.stop("parent", GRACE).await.unwrap();
    assert!(!lives(parent));
    eventually("the grandchild is gone", LIMIT, || async { (!lives(child)).then_some(()) }).await;
}

pub(super) async fn grandchildren_that_ignore_sigterm_are_ended(stage: ProcessManagerContract) {
    let deaf = stage.path("deaf");
    let stubborn = format!("sh -c \"trap '' TERM; : > {}; while :; do sleep 0.1; done\"", deaf.display());
    let (parent, child) = family(&stage, &stubborn).await;
    eventually("the trap is set", LIMIT, || async { deaf.exists().then_some(()) }).await;
    stage.manager.stop("parent", GRACE).await.unwrap();
    assert!(!lives(parent));
    eventually("the grandchild is gone", LIMIT, || async { (!lives(child)).then_some(()) }).await;
}

pub(super) async fn output_is_kept_in_order_with_its_stream(stage: ProcessManagerContract) {
    // A pause between the two streams: each is read on its own.
    let script =
        "for i in 1 2 3; do echo out $i; sleep 0.1; echo err $i >&2; sleep 0.1; done; printf 'last ünended'";
    stage.manager.start(&shell("talker", script)).await.unwrap();
    assert_eq!(stage.down("talker").await, Some(ExitStatus::Code(0)));
    let lines = eventually("seven lines", LIMIT, || async {
        let lines = stage.manager.log_tail("talker", 100).await.unwrap();
        (lines.len() == 7).then_some(lines)
    })
    .await;
    let texts: Vec<(LogStream, &str)> = lines.iter().map(|line| (line.stream, line.text.as_str())).collect();
    let (out, err) = (LogStream::Stdout, LogStream::Stderr);
    let expected = [
        (out, "out 1"),
        (err, "err 1"),
        (out, "out 2"),
        (err, "err 2"),
        (out, "out 3"),
        (err, "err 3"),
        (out, "last ünended"),
    ];
    assert_eq!(texts, expected);
    let times: Vec<_> = lines.iter().map(|line| line.at.unwrap()).collect();
    assert!(times.is_sorted());
    assert!(times[0].elapsed().unwrap() < Duration::from_secs(3600));
    let tail = stage.manager.log_tail("talker", 2).await.unwrap();
    assert_eq!(tail, lines[5..]);
}

pub(super) async fn a_program_that_cannot_be_executed_is_told(stage: ProcessManagerContract) {
    let plain = stage.path("not-executable");
    std::fs::write(&plain, "text").unwrap();
    for (name, program) in [("missing", Path::new("/no/such/program")), ("plain", &plain)] {
        let mut spec = shell(name, "");
        spec.program = program.to_owned();
        stage.manager.start(&spec).await.unwrap();
        stage
            .until(name, "fails", |state| match state {
                ProcessState::SpawnFailed => Some(()),
                // A shell stands between some process managers and the program; these are its words.
                ProcessState::Down { exit: Some(ExitStatus::Code(126 | 127)) } => Some(()),
                _other => None,
            })
            .await;
        let detail = stage.info(name).await.unwrap().detail;
        assert!(!detail.is_empty());
        stage.manager.stop(name, GRACE).await.unwrap();
        stage.manager.remove(name).await.unwrap();
    }
}

pub(super) async fn a_signal_reaches_the_process(stage: ProcessManagerContract) {
    let file = stage.path("signalled");
    let script = format!(
        "trap ': > {}' USR1; : > {}; while :; do sleep 0.1; done",
        file.display(),
        stage.path("armed").display()
    );
    stage.manager.start(&shell("a", &script)).await.unwrap();
    content_of(&stage.path("armed")).await;
    stage.manager.signal("a", 10).await.unwrap();
    content_of(&file).await;
    assert!(stage.manager.signal("a", 12345).await.is_err());
    stage.manager.stop("a", GRACE).await.unwrap();
    assert!(stage.manager.signal("a", 10).await.is_err(), "a stopped process cannot be signalled");
}

pub(super) async fn a_reader_of_lines_goes_on_where_it_was(stage: ProcessManagerContract) {
    let more = stage.path("more");
    let script = format!(
        "echo a; echo b >&2; while ! test -e {}; do sleep 0.05; done; echo c; exec sleep 1000",
        more.display()
    );
    let mut spec = shell("talker", &script);
    spec.restart = super::process_manager_contract::policy(Duration::from_millis(400));
    let early = stage.manager.logs("talker", None, Duration::ZERO).await.unwrap();
    assert_eq!((early.lines.len(), early.lost), (0, 0));
    stage.manager.start(&spec).await.unwrap();
    let mut place = None;
    let mut texts = Vec::new();
    while texts.len() < 2 {
        let batch = stage.manager.logs("talker", place, LIMIT).await.unwrap();
        place = batch.lines.last().map(|placed| placed.position).or(place);
        texts.extend(batch.lines.into_iter().map(|placed| placed.line.text));
    }
    texts.sort();
    assert_eq!(texts, ["a", "b"]);
    assert!(stage.manager.logs("talker", place, Duration::from_millis(300)).await.unwrap().lines.is_empty());
    let write = async {
        std::fs::write(&more, "").unwrap();
    };
    let (batch, ()) = tokio::join!(stage.manager.logs("talker", place, LIMIT), write);
    let batch = batch.unwrap();
    assert_eq!(batch.lines.iter().map(|placed| placed.line.text.as_str()).collect::<Vec<_>>(), ["c"]);
    // Through a restart of the process it goes on.
    let place = batch.lines.last().map(|placed| placed.position);
    let pid = stage.running("talker").await;
    stage.manager.signal("talker", 9).await.unwrap();
    stage.running_anew("talker", pid).await;
    let batch = stage.manager.logs("talker", place, LIMIT).await.unwrap();
    let first = batch.lines.first().map(|placed| placed.line.text.clone());
    assert!(matches!(first.as_deref(), Some("a" | "b")), "{batch:?}");
}
