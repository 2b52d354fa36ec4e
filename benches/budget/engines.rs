//! What the engines cost, each in its real actor.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use hero_supervisor::proto::ScriptType;

use crate::floor;
use crate::load::{self, Latencies, ROUNDS, median};
use crate::report::{Goal, row, row_to};
use crate::stage::{Kind, Stage};

const SAL_HOSTS: usize = 4;
/// Jobs between two looks at an actor's memory.
const JOBS: usize = 10_000;
/// Time of one round.
const ROUND: Duration = Duration::from_secs(2);
/// Takes shell programs for V and gives them back as they are: what is measured is all but the compiler.
const STAND_IN: &str = "#!/bin/sh\n[ \"$1\" = version ] && { echo 'V 0.0.0 stand-in'; exit 0; }\ncp \"$3\" \"$2\" && chmod +x \"$2\"\n";

const OSIS: Kind = Kind {
    name: "OSIS",
    program: env!("CARGO_BIN_EXE_osis_actor"),
    script_type: ScriptType::Osis,
    noop: "40+2",
};
const SAL: Kind = Kind {
    name: "SAL",
    program: env!("CARGO_BIN_EXE_sal_actor"),
    script_type: ScriptType::Sal,
    noop: "40+2",
};
const PYTHON: Kind = Kind {
    name: "Python",
    program: env!("CARGO_BIN_EXE_python_actor"),
    script_type: ScriptType::Python,
    noop: "40+2",
};
const V: Kind = Kind {
    name: "V (stand-in)",
    program: env!("CARGO_BIN_EXE_v_actor"),
    script_type: ScriptType::V,
    noop: "#!/bin/sh\necho 42",
};

/// So many callers run a script, several times over.
async fn rounds(stage: &Stage, kind: &Kind, script: &str, callers: usize) -> Latencies {
    let client = load::connect(stage.tcp_address()).await;
    median(ROUNDS, || load::run_scripts(client.clone(), kind.script_type, script, callers, ROUND)).await
}

fn described(measured: &Latencies) -> String {
    let (p50, p99) = (measured.millis(50.0), measured.millis(99.0));
    format!("{} jobs/s, p50 {p50} ms, p99 {p99} ms", measured.rate())
}

/// One row: so many callers run a script.
async fn measure(stage: &Stage, kind: &Kind, what: &str, script: &str, callers: usize) {
    let measured = rounds(stage, kind, script, callers).await;
    row(&format!("RunJob {what}, TCP"), &described(&measured), "");
}

pub(crate) async fn sal_rows() {
    let stage = Stage::start(&[]).await;
    let _actor = stage.start_actor(&SAL, &[format!("--concurrency={SAL_HOSTS}")]).await;
    measure(&stage, &SAL, "no-op SAL, one at a time, 4 hosts", SAL.noop, 1).await;
    let _osis = stage.start_osis_actor("bench_beside").await;
    let osis = rounds(&stage, &OSIS, OSIS.noop, 64).await;
    let many = rounds(&stage, &SAL, SAL.noop, 64).await;
    let left = 100.0 * many.per_second() / osis.per_second();
    row_to(
        "RunJob no-op SAL, 64 at once, 4 hosts, TCP",
        &described(&many),
        &format!("OSIS {} jobs/s ({left:.0} %)", osis.rate()),
        Goal::at_least(left, 85.0, " % of OSIS"),
    );
    measure(&stage, &SAL, "SAL with one shell command, one at a time, 4 hosts", "sh(\"true\")", 1).await;
}

pub(crate) async fn python_rows() {
    let stage = Stage::start(&[]).await;
    let _actor = stage.start_actor(&PYTHON, &["--concurrency=2".to_owned()]).await;
    let client = load::connect(stage.tcp_address()).await;
    let seldom = load::run_now_and_then(client, PYTHON.script_type, PYTHON.noop, 200, async || ()).await;
    row(
        "RunJob no-op Python, one each 50 ms, TCP",
        &format!("p50 {} ms, p99 {} ms", seldom.millis(50.0), seldom.millis(99.0)),
        &format!("a bare fork and its end, p50 {} ms", floor::python_forks()),
    );
    let what = "no-op Python (a fork each), one at a time";
    let forked = rounds(&stage, &PYTHON, PYTHON.noop, 1).await;
    row(&format!("RunJob {what}, TCP"), &described(&forked), "");
    measure(&stage, &PYTHON, "no-op Python, 16 at once, 2 hosts", PYTHON.noop, 16).await;
    shared_python_rows(&forked).await;
}

/// The same in one process for all jobs of a host.
async fn shared_python_rows(forked: &Latencies) {
    let stage = Stage::start(&[]).await;
    let flags = ["--concurrency=2", "--isolation=host"].map(str::to_owned);
    let _actor = stage.start_actor(&PYTHON, &flags).await;
    let shared = rounds(&stage, &PYTHON, PYTHON.noop, 1).await;
    row(
        "RunJob no-op Python (one process for all), one at a time, TCP",
        &described(&shared),
        &format!("a fork each p50 {} ms", forked.millis(50.0)),
    );
    measure(&stage, &PYTHON, "no-op Python (one process for all), 16 at once, 2 hosts", PYTHON.noop, 16)
        .await;
}

pub(crate) async fn v_rows() {
    let stage = Stage::start(&[]).await;
    let _actor = stage.start_actor(&V, &v_flags(&stage)).await;
    measure(&stage, &V, "a cached V program (stand-in: a shell), one at a time", V.noop, 1).await;
}

fn v_flags(stage: &Stage) -> Vec<String> {
    let (compiler, cache) = (stage.folder().join("v"), stage.folder().join("cache"));
    std::fs::write(&compiler, STAND_IN).unwrap();
    std::fs::set_permissions(&compiler, std::fs::Permissions::from_mode(0o755)).unwrap();
    vec![
        format!("--v-bin={}", compiler.display()),
        format!("--cache-dir={}", cache.display()),
        "--concurrency=1".to_owned(),
    ]
}

/// Time for which a supervisor gives older ones a chance to show themselves; until then a line costs more.
const NO_OLDER_ONE: Duration = Duration::from_secs(31);

/// What it costs that a script says something.
pub(crate) async fn said_rows() {
    let stage = Stage::start(&[]).await;
    let _actor = stage.start_actor(&OSIS, &[]).await;
    tokio::time::sleep(NO_OLDER_ONE).await;
    let mut silent = None;
    for (what, script) in [
        ("OSIS that says nothing", "40+2"),
        ("OSIS that prints one line", "print(\"hello\"); 40+2"),
        ("OSIS that prints ten lines", "for i in 0..10 { print(i); } 40+2"),
        ("OSIS that reports its progress once", "progress(50, \"half\"); 40+2"),
    ] {
        measure(&stage, &OSIS, &format!("{what}, one at a time"), script, 1).await;
        let many = rounds(&stage, &OSIS, script, 64).await;
        let silent = *silent.get_or_insert(many.per_second());
        let left = 100.0 * many.per_second() / silent;
        let (what, floor) =
            (format!("RunJob {what}, 64 at once, TCP"), format!("silent {silent:.0} jobs/s ({left:.0} %)"));
        match what.contains("one line") {
            true => {
                row_to(&what, &described(&many), &floor, Goal::at_least(left, 90.0, " % of a silent one"))
            }
            false => row(&what, &described(&many), &floor),
        }
    }
}

/// What it costs that a host is there: the one before it is killed, and the next job is answered.
pub(crate) async fn spawn_rows() {
    for kind in [OSIS, SAL, PYTHON, V] {
        let stage = Stage::start(&[]).await;
        let mut flags = vec!["--concurrency=1".to_owned()];
        match kind.script_type {
            ScriptType::V => flags = v_flags(&stage),
            ScriptType::Osis => flags.clear(),
            ScriptType::Sal | ScriptType::Python | ScriptType::Unspecified => {}
        }
        let actor = stage.start_actor(&kind, &flags).await;
        let client = load::connect(stage.tcp_address()).await;
        let kill = async || actor.kill_children().await;
        let replaced = load::run_now_and_then(client, kind.script_type, kind.noop, 20, kill).await;
        row(
            &format!("a killed host of {} to the result of the next job", kind.name),
            &format!("p50 {} ms, p99 {} ms", replaced.millis(50.0), replaced.millis(99.0)),
            "",
        );
    }
}

pub(crate) async fn memory_rows() {
    for kind in [OSIS, SAL, PYTHON, V] {
        let stage = Stage::start(&[]).await;
        let flags = match kind.script_type {
            ScriptType::V => v_flags(&stage),
            ScriptType::Sal => vec![format!("--concurrency={SAL_HOSTS}")],
            ScriptType::Osis | ScriptType::Python | ScriptType::Unspecified => Vec::new(),
        };
        let actor = stage.start_actor(&kind, &flags).await;
        let before = actor.family_mib();
        load::run_count(stage.tcp_address(), kind.script_type, kind.noop, JOBS).await;
        let after = actor.family_mib();
        row(
            &format!("memory of a {} actor with its hosts, idle, and after {JOBS} jobs", kind.name),
            &format!("{before:.1} MB, {after:.1} MB"),
            "",
        );
    }
}
