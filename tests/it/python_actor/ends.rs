//! The end of a script: what it wrote, what it said, and what it was.

use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec};
use hero_supervisor::domain::model::script_type::ScriptType;

use super::{PYTHON_ACTOR, run};
use crate::osis_actor::osis_program::OsisProgram;

#[tokio::test]
async fn what_a_script_leaves_open_is_written_when_its_job_has_succeeded() {
    let (rig, outside) = (OsisProgram::start().await, tempfile::tempdir().unwrap());
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    let place = outside.path().display();
    let writes = [
        ("plain", "out = open(PLACE, 'w')\nout.write('data')"),
        ("function", "out = open(PLACE, 'w')\nout.write('data')\ndef f(): return out\nkept = [f]"),
        ("exit", "import sys\nout = open(PLACE, 'w')\nout.write('data')\nsys.exit(0)"),
        ("csv", "import csv\nout = csv.writer(open(PLACE, 'w'))\nout.writerow(['data'])"),
        ("gzip", "import gzip\nout = gzip.open(PLACE, 'wt')\nout.write('data')"),
        ("zip", "import zipfile\nout = zipfile.ZipFile(PLACE, 'w')\nout.writestr('name', 'data')"),
        (
            "cycle",
            "import gzip\nclass Out: pass\nout = Out()\nout.me, out.file = out, gzip.open(PLACE, 'wt')\nout.file.write('data')\ndel out",
        ),
        (
            "pipe",
            "import subprocess\nprogram = subprocess.Popen(['sh', '-c', f'sleep 0.2; cat > {PLACE}'], stdin=subprocess.PIPE, text=True)\nprogram.stdin.write('data')",
        ),
        ("module", "import json\njson.out = open(PLACE, 'w')\njson.out.write('data')"),
        ("stdout", "import sys\nsys.stdout = open(PLACE, 'w')\nprint('data')"),
        (
            "forked",
            "import os\nout = open(PLACE, 'w')\nif (child := os.fork()) == 0:\n    out.write('data')\nelse:\n    os.waitpid(child, 0)",
        ),
    ];
    for (name, text) in writes {
        run(&rig, &format!("PLACE = '{place}/{name}'\n{text}")).await;
    }
    let reads = format!(
        "import csv, gzip, zipfile\nfound = {{name: open('{place}/' + name).read() for name in \
         ('plain', 'function', 'exit', 'csv', 'pipe', 'module', 'stdout', 'forked')}}\n\
         found['gzip'] = gzip.open('{place}/gzip', 'rt').read()\n\
         found['cycle'] = gzip.open('{place}/cycle', 'rt').read()\n\
         found['zip'] = zipfile.ZipFile('{place}/zip').read('name').decode()\n\
         {{name: text for name, text in found.items() if text.strip() != 'data'}}"
    );
    assert_eq!(run(&rig, &reads).await, "{}");
    let temporary = "import tempfile\nkept = tempfile.NamedTemporaryFile(dir='/tmp')\nkept.name";
    let name = run(&rig, temporary).await;
    assert!(!std::path::Path::new(&name).exists(), "{name}");
}

#[tokio::test]
async fn a_script_may_close_its_streams_and_keeps_its_reason() {
    let rig = OsisProgram::start().await;
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    for good in [
        "import sys\nsys.stdout = None\nprogress(1)\n42",
        "import sys\nsys.stdout.close()\n42",
        "import sys\nwith sys.stdout as out:\n    out.write('x')\n42",
        "import sys\nsys.stdout.detach()\n42",
        "import sys\nsys.stderr.close()\n42",
        "progress(50, 'file \\udcff')\n42",
        "\u{feff}42",
    ] {
        assert_eq!(run(&rig, good).await, "42", "{good}");
    }
    for (bad, words) in [
        ("import sys\nsys.stderr = None\nraise ValueError('the reason')", "ValueError: the reason"),
        ("import sys\nsys.stderr.close()\nraise ValueError('the reason')", "ValueError: the reason"),
        ("raise ValueError('the reason \\udcff')", "ValueError: the reason \\udcff"),
        ("import sys\nsys.exit('the reason \\udcff')", "the reason \\udcff"),
        (
            "error = ValueError('the reason')\nerror.__notes__ = ['read line 3']\nraise error",
            "ValueError: the reason\nread line 3",
        ),
    ] {
        let error = rig.error(JobSpec::new(ScriptType::Python, bad)).await;
        assert_eq!(error.kind, JobErrorKind::ScriptError, "{bad}: {error:?}");
        assert_eq!(error.message, words, "{bad}");
    }
    let mute = JobSpec::new(ScriptType::Python, "import os\nos.closerange(0, 1000)\n5");
    let error = rig.error(mute).await;
    assert!(error.message.contains("has closed the pipe of its result"), "{error:?}");
    for (text, result) in [
        ("'a\\udcff'", "a\\udcff"),
        ("['a\\udcff']", r#"["a\\udcff"]"#),
        ("{1: 'a', '1': 'b'}", "{1: 'a', '1': 'b'}"),
        ("{1: 'a', None: True}", r#"{"1":"a","null":true}"#),
    ] {
        assert_eq!(run(&rig, text).await, result, "{text}");
    }
    for (ends, code) in [("sys.exit(3)", "3"), ("raise ValueError()", "1"), ("pass", "0")] {
        let text = format!(
            "import os, sys\nif (child := os.fork()) == 0:\n    {ends}\n\
             else:\n    result = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])"
        );
        assert_eq!(run(&rig, &text).await, code, "{ends}");
    }
}

#[tokio::test]
async fn a_script_that_kills_itself_is_not_said_to_have_used_too_much_memory() {
    let rig = OsisProgram::start().await;
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    let error = rig.error(JobSpec::new(ScriptType::Python, "import os\nos.kill(os.getpid(), 9)")).await;
    assert_eq!((error.kind, error.signal), (JobErrorKind::EngineCrash, Some(9)), "{error:?}");
    assert!(error.message.contains("by itself or by another process"), "{error:?}");
}

#[tokio::test]
async fn the_next_job_finds_its_pipes_as_new() {
    let rig = OsisProgram::start().await;
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=1"]);
    // The two outputs, and the pipe of results, which programs do not inherit.
    let shared = "import fcntl, os\n\
        found = [int(fd) for fd in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{fd}')]\n\
        results = [fd for fd in found if fd > 2 and not os.get_inheritable(fd) \
        and os.readlink(f'/proc/self/fd/{fd}').startswith('pipe')]\n\
        assert len(results) == 1, results\n\
        shared = [1, 2, *results]\n";
    let looks = format!(
        "{shared}[[fcntl.fcntl(fd, fcntl.F_GETFL), fcntl.fcntl(fd, 1032), os.fstat(fd).st_mode] for fd in shared]"
    );
    let before = run(&rig, &looks).await;
    for (size, printed) in [(4096, 100), (1 << 20, 900_000)] {
        let spoils = format!(
            "{shared}for fd in shared:\n    \
             fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)\n    \
             fcntl.fcntl(fd, 1031, {size})\n    os.fchmod(fd, 0)\n\
             print('y' * {printed})\n'r' * 1000000"
        );
        assert_eq!(run(&rig, &spoils).await.len(), 1_000_000);
        assert_eq!(run(&rig, &looks).await, before, "{size}");
        assert_eq!(run(&rig, "print('y' * 3_000_000)\n'r' * 1000000").await.len(), 1_000_000);
    }
}
