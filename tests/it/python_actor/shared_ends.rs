//! Jobs that share a process: its end, by its jobs, by their number, and by what they leave.

use std::time::Duration;

use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, Outcome};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::ports::job_queue::JobQueue;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::shared::{PID, start};
use super::{PYTHON_ACTOR, run};
use crate::engines::is_alive;
use crate::osis_actor::osis_program::{Actor, OsisProgram, SOON, end};
use crate::support::full_service::children_of;
use crate::support::wait::eventually;

fn python(text: &str) -> JobSpec {
    JobSpec::new(ScriptType::Python, text)
}

/// The process that runs the jobs of an actor with one host.
async fn process(actor: &Actor) -> i32 {
    let server = children_of(actor.host().await)[0];
    eventually("there is a process for jobs", SOON, || async { children_of(server).first().copied() }).await
}

#[tokio::test]
async fn an_end_of_the_process_costs_its_job_and_nothing_else() {
    let rig = OsisProgram::start().await;
    let actor = start(&rig, &[]);
    run(&rig, "1").await;
    let host = actor.host().await;
    for (text, kind, signal, code) in [
        ("import os\nos.kill(os.getpid(), 9)", JobErrorKind::EngineCrash, Some(9), None),
        ("import ctypes\nctypes.string_at(0)", JobErrorKind::EngineCrash, Some(11), None),
        ("import os\nprint('said')\nos._exit(3)", JobErrorKind::ScriptError, None, Some(3)),
        ("import os\nos.closerange(0, 1000)\n5", JobErrorKind::ScriptError, None, Some(70)),
    ] {
        let before = run(&rig, PID).await;
        let error = rig.error(python(text)).await;
        assert_eq!((error.kind, error.signal, error.exit_code), (kind, signal, code), "{text}: {error:?}");
        assert_ne!(run(&rig, PID).await, before, "{text}");
    }
    assert_eq!(actor.host().await, host, "its host lives on");
}

#[tokio::test]
async fn what_ends_a_script_as_usual_does_not_end_the_process() {
    let rig = OsisProgram::start().await;
    let _actor = start(&rig, &[]);
    let process = run(&rig, PID).await;
    let error = rig.error(python("import sys\nprint('out')\nsys.exit(7)")).await;
    assert_eq!((error.exit_code, error.log_tail), (Some(7), vec!["out".to_owned()]));
    let half = "import sys\nsys.stderr.write('half a line\\n...')\nsys.exit(1)";
    let error = rig.error(python(half)).await;
    assert_eq!(error.log_tail, ["half a line", "..."], "{error:?}");
    assert_eq!(run(&rig, "import sys\nsys.exit()").await, "");
    // Functions for the end run at the end of their job, the latest first, and no other job hears of them.
    let leaves = "import atexit\natexit.register(print, 'first')\natexit.register(print, 'second')\n\
        @atexit.register\ndef fails(): raise ValueError('ignored')\nNone";
    assert_eq!(run(&rig, leaves).await, "second\nfirst");
    assert_eq!(run(&rig, "print('mine')").await, "mine");
    let forks = "import os\nif (child := os.fork()) == 0:\n    print('child')\nelse:\n    os.waitpid(child, 0)\n    print('parent')";
    assert_eq!(run(&rig, forks).await, "child\nparent");
    assert_eq!(run(&rig, PID).await, process);
}

#[tokio::test]
async fn threads_are_waited_for_and_what_is_left_ends_with_the_process() {
    let rig = OsisProgram::start().await;
    let _actor = start(&rig, &[]);
    let waited = "import threading, time\n\
        threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()";
    assert_eq!(run(&rig, waited).await, "thread");
    for (left, stays) in [
        ("import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()", true),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=[600], daemon=True).start()",
            false,
        ),
        ("import concurrent.futures as f\nf.ThreadPoolExecutor().submit(int)", false),
        ("import subprocess\nsubprocess.run(['true'])", true),
        ("import os\nos._exit(0) if os.fork() == 0 else os.wait()", true),
        (
            "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\nimport os\nos.setuid(65534)",
            false,
        ),
    ] {
        let before = run(&rig, PID).await;
        run(&rig, &format!("{left}\nNone")).await;
        assert_eq!(run(&rig, PID).await == before, stays, "{left}");
    }
    for session in ["False", "True"] {
        let before = run(&rig, PID).await;
        let text =
            format!("import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session={session}).pid");
        let pid: i32 = run(&rig, &text).await.parse().unwrap();
        assert!(!is_alive(pid), "{pid}");
        assert_ne!(run(&rig, PID).await, before, "{session}");
    }
}

#[tokio::test]
async fn the_process_is_replaced_after_its_jobs_and_by_what_they_leave_in_memory() {
    let rig = OsisProgram::start().await;
    let actor = start(&rig, &["--recycle-jobs=3", "--recycle-memory=32MiB"]);
    let mut seen = Vec::new();
    for _ in 0..9 {
        seen.push(run(&rig, PID).await);
    }
    let host = actor.host().await;
    for three in seen.chunks(3) {
        assert!(three.iter().all(|pid| *pid == three[0]), "{seen:?}");
    }
    seen.dedup();
    assert_eq!(seen.len(), 3, "{seen:?}");
    let before = run(&rig, PID).await;
    run(&rig, "import json\njson.kept = bytearray(b'x') * 60_000_000\nNone").await;
    let after = run(&rig, PID).await;
    assert_ne!(after, before, "it held too much");
    run(&rig, "gone = bytearray(b'x') * 60_000_000\nNone").await;
    assert_eq!(run(&rig, PID).await, after, "what goes with its job is nothing that was left");
    assert_eq!(actor.host().await, host, "its host lives on");
}

#[tokio::test]
async fn an_end_between_two_jobs_costs_no_job() {
    let rig = OsisProgram::start().await;
    let actor = start(&rig, &[]);
    run(&rig, "1").await;
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let before = process(&actor).await;
        kill(Pid::from_raw(before), signal).unwrap();
        assert_eq!(run(&rig, "6 * 7").await, "42");
        assert_ne!(process(&actor).await, before);
    }
}

#[tokio::test]
async fn a_script_that_does_not_stop_ends_with_its_process_and_other_jobs_go_on() {
    let rig = OsisProgram::start().await;
    let actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--concurrency=2", "--isolation=host"]);
    let other = rig.submit(python("import time\ntime.sleep(8)\n'undisturbed'")).await;
    rig.until_running(&other.0).await;
    let stubborn =
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(0.1)";
    let limited = JobSpec { run_timeout: Duration::from_secs(1), ..python(stubborn) };
    let error = rig.error(limited).await;
    assert_eq!(error.kind, JobErrorKind::RunTimeout, "{error:?}");
    for text in [stubborn, "import time\ntime.sleep(600)"] {
        let (id, completion) = rig.submit(python(text)).await;
        rig.until_running(&id).await;
        rig.queue.cancel(&id, "not wanted").await.unwrap();
        assert!(matches!(end(&id, completion).await.outcome, Outcome::Cancelled(_)));
        assert_eq!(run(&rig, "6 * 7").await, "42");
    }
    let Outcome::Succeeded(result) = end(&other.0, other.1).await.outcome else { panic!("it was disturbed") };
    assert_eq!(result.text, "undisturbed");
    assert_eq!(actor.children().len(), 2, "both hosts live on");
}

#[tokio::test]
async fn too_little_memory_for_a_script_is_a_limit_of_that_job() {
    let rig = OsisProgram::start().await;
    let _actor = start(&rig, &["--max-memory=32MiB"]);
    for _ in 0..3 {
        let error = rig.error(python("x = bytearray(64 << 20)")).await;
        assert_eq!(error.kind, JobErrorKind::LimitExceeded, "{error:?}");
        // All of it is there again for the next one.
        assert_eq!(run(&rig, "len(bytearray(24 << 20))").await, (24 << 20).to_string());
    }
}
