//! Jobs that share a process: what one of them changes is not there for the next one.

use std::process::Command;

use hero_supervisor::domain::model::job::JobSpec;
use hero_supervisor::domain::model::script_type::ScriptType;

use super::{PYTHON_ACTOR, run};
use crate::osis_actor::osis_program::{Actor, OsisProgram};

pub(super) const PID: &str = "import os\nos.getpid()";

pub(super) fn start(rig: &OsisProgram, more: &[&str]) -> Actor {
    let flags = [&["--concurrency=1", "--isolation=host"], more].concat();
    rig.start_actor(PYTHON_ACTOR, "python_actor_0", &flags)
}

#[tokio::test]
async fn jobs_share_a_process_and_its_modules_and_no_names() {
    let rig = OsisProgram::start().await;
    let _actor = start(&rig, &[]);
    let first = run(&rig, PID).await;
    run(&rig, "import json\njson.mine = 1\nglobals().update(seen=2)\ndef f(): return seen").await;
    let looks = "import json\n[hasattr(json, 'mine'), 'seen' in globals(), 'f' in globals(), __name__, \
        sorted(name for name in globals() if not name.startswith('__'))]";
    let fresh =
        "[true,false,false,\"__main__\",[\"CALLER_ID\",\"CONTEXT_ID\",\"INPUT\",\"json\",\"progress\"]]";
    assert_eq!(run(&rig, looks).await, fresh);
    assert_eq!(run(&rig, PID).await, first);
}

#[tokio::test]
async fn environment_folder_and_input_are_those_of_the_job() {
    let rig = OsisProgram::start().await;
    let _actor = start(&rig, &[]);
    let looks = "import os, subprocess, tempfile, time\n\
        os.putenv('BEHIND', '1')\n\
        seen = subprocess.check_output(['env'], text=True)\n\
        made = tempfile.NamedTemporaryFile()\n\
        [os.environ.get('MINE'), 'MINE=' in seen, 'BEHIND=' in seen, time.tzname[0], INPUT, os.listdir('.') == \
        [os.path.basename(made.name)], os.environ['HERO_JOB_ID'] in seen, os.path.samefile(os.environ['HOME'], '.')]";
    let spec = |env: &[(&str, &str)], input: Option<&str>| JobSpec {
        env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        input: input.map(str::to_owned),
        ..JobSpec::new(ScriptType::Python, looks)
    };
    for _ in 0..2 {
        let with = rig.end_of(spec(&[("MINE", "yes"), ("TZ", "XYZ-3")], Some("[1]"))).await.outcome;
        let text = format!("{with:?}");
        assert!(text.contains(r#"[\"yes\",true,true,\"XYZ\",[1],true,true,true]"#), "{text}");
        let without = format!("{:?}", rig.end_of(spec(&[], None)).await.outcome);
        assert!(without.contains(r#"[null,false,true,\"UTC\",null,true,true,true]"#), "{without}");
    }
    let behind = "import subprocess\n'BEHIND' in subprocess.check_output(['env'], text=True)";
    assert_eq!(run(&rig, behind).await, "false");
}

/// A script that changes its process, and one that gives 0 where that has no effect.
const CHANGES: [(&str, &str); 16] = [
    ("import builtins\nbuiltins.print = None\ndel builtins.len", "print(end='')\nlen('')"),
    (
        "import sys\nsys.path.insert(0, '/mine')\nsys.argv.append('x')",
        "import sys\nint('/mine' in sys.path) + len(sys.argv) - 1",
    ),
    ("import sys\nsys.stdout.close()", "print(end='')\n0"),
    (
        "import sys, io\nsys.stdout = io.TextIOWrapper(sys.stdout.detach(), 'utf-16')",
        "import sys\nint(sys.stdout.encoding != 'utf-8')",
    ),
    (
        "import os\nos.close(0)\nos.close(2)\nos.dup2(os.open('/dev/null', os.O_RDWR), 1)",
        "import os, stat\nsum(not stat.S_ISFIFO(os.fstat(fd).st_mode) for fd in (1, 2))",
    ),
    (
        "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\nsignal.setitimer(signal.ITIMER_REAL, 600)",
        "import signal\nint(signal.getsignal(signal.SIGUSR1)) + signal.getitimer(signal.ITIMER_REAL)[0]",
    ),
    (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])",
        "import signal\nlen(signal.pthread_sigmask(signal.SIG_BLOCK, []))",
    ),
    ("import os\nos.umask(0o777)", "import os\nos.umask(0o022) - 0o022"),
    (
        "import sys\nsys.setrecursionlimit(70)\nsys.settrace(lambda *a: 1 / 0)\nsys.excepthook = None",
        "import sys\nint(sys.getrecursionlimit() < 1000) + int(sys.gettrace() is not None)",
    ),
    ("import decimal\ndecimal.getcontext().prec = 3", "import decimal\ndecimal.getcontext().prec - 28"),
    ("import random\nrandom.seed(7)", "import random\nint(random.random() == random.Random(7).random())"),
    ("import warnings\nwarnings.simplefilter('error')", "import warnings\nwarnings.warn('only said')\n0"),
    (
        "import gc\ngc.disable()\ngc.set_threshold(1)",
        "import gc\nint(not gc.isenabled() or gc.get_threshold()[0] == 1)",
    ),
    (
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (100, 1024))",
        "import resource\nresource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1024",
    ),
    (
        "import os\nos.environ = {}\nos.chdir('/')",
        "import os\nint('HERO_JOB_ID' not in os.environ) + len(os.listdir('.'))",
    ),
    (
        "import heroscript\n@heroscript.action('a.b')\ndef _(one): pass",
        "import heroscript\nlen([one for one in heroscript._handlers if one[0] == 'a'])",
    ),
];

#[tokio::test]
async fn what_a_script_changes_in_its_process_is_put_back() {
    let rig = OsisProgram::start().await;
    let _actor = start(&rig, &[]);
    let process = run(&rig, PID).await;
    for (changes, looks) in CHANGES {
        assert_eq!(run(&rig, looks).await.parse(), Ok(0.0), "before {changes}");
        // Some of them fail, since they have closed what they need.
        rig.end_of(JobSpec::new(ScriptType::Python, changes)).await;
        assert_eq!(run(&rig, looks).await.parse(), Ok(0.0), "after {changes}");
        assert_eq!(run(&rig, PID).await, process, "{changes}");
    }
}

#[tokio::test]
async fn modules_that_a_script_has_made_itself_go_with_it() {
    let rig = OsisProgram::start().await;
    let _actor = start(&rig, &[]);
    let makes = |value: u8| {
        format!(
            "import sys\nopen('mine.py', 'w').write('value = {value}')\nsys.path.insert(0, '.')\nimport mine\nmine.value"
        )
    };
    for value in [1, 2] {
        assert_eq!(run(&rig, &makes(value)).await, value.to_string());
    }
    let error = rig.error(JobSpec::new(ScriptType::Python, "import mine")).await;
    assert!(error.message.contains("No module named 'mine'"), "{error:?}");
}

#[tokio::test]
async fn a_confined_process_is_shared_as_well() {
    let rig = OsisProgram::start().await;
    let outside = tempfile::tempdir().unwrap();
    let _actor = start(&rig, &["--sandbox=landlock"]);
    let writes = |path: &std::path::Path| format!("open('{}', 'w').write('mine')\n{PID}", path.display());
    let first = run(&rig, &writes("own".as_ref())).await;
    let error = rig.error(JobSpec::new(ScriptType::Python, writes(&outside.path().join("new")))).await;
    assert!(error.message.contains("Permission denied"), "{error:?}");
    assert_eq!(run(&rig, &writes("own".as_ref())).await, first);
}

#[tokio::test]
async fn the_environment_of_the_actor_chooses_as_well() {
    let rig = OsisProgram::start().await;
    for (isolation, code) in [("host", 0), ("job", 0), ("none", 2)] {
        let ran = Command::new(PYTHON_ACTOR)
            .args(["--health-check", "--redis-url", &rig.redis.url()])
            .env("HERO_ISOLATION", isolation)
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(code), "{isolation}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}
