use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::actor::engines::Unheard;
use crate::domain::model::job::{JobError, JobErrorKind, JobKind};

fn run_with(flags: SalFlags, text: &str, timeout: Duration) -> Result<JobResult, AttemptError> {
    let script = Script {
        kind: JobKind::Script,
        job_id: "job-1",
        text,
        input: None,
        caller_id: "ann",
        context_id: "ctx",
        actor_id: "sal_actor_0",
        env: &[("X", "a b")],
        timeout,
    };
    let sink: Arc<dyn Sink> = Arc::new(Unheard);
    // Not through `run` of the engine: that ends every child of this process, and other tests have some.
    let mut sal = Sal::new(&flags, Limits::default(), |_url| panic!("no Redis here"));
    sal.context.set_env(Path::new("/tmp"), &script);
    sal.rhai.run(&script, &sink)
}

fn text(source: &str) -> String {
    let end = run_with(SalFlags::default(), source, Duration::from_secs(60));
    end.unwrap_or_else(|error| panic!("{source}: {error:?}")).text
}

fn error(source: &str) -> JobError {
    run_with(SalFlags::default(), source, Duration::from_secs(60)).expect_err(source).error
}

#[test]
fn every_function_is_described_as_it_is() {
    let session = Arc::new(crate::actor::engines::rhai::session::Session::new(&Limits::default()));
    let registry = write(&Arc::new(Context::new(&session, Limits::default(), false, None)));
    assert_eq!(registry.wrong, [""; 0], "their descriptions name another number of arguments");
    assert!(!registry.reference().contains(": ?"), "an argument has a type without a name");
    assert!(!registry.reference().contains("-> ?"), "a result has a type without a name");
}

#[test]
fn a_shell_runs_commands() {
    for (source, result) in [
        (r#"sh("echo hi | tr a-z A-Z").stdout"#, "HI\n"),
        (r#"sh("echo a; echo b >&2; echo c").stderr"#, "b\n"),
        (r#"let r = sh("exit 7", #{ignore_error: true}); [r.code, r.success]"#, "[7,false]"),
        (
            r#"let r = run("false; echo no").ignore_error().silent().execute(); [r.code, r.stdout]"#,
            r#"[1,""]"#,
        ),
        (r#"let r = run("kill -9 $$", #{die: false}); r.code"#, "137"),
        (r#"run_command("echo \"two  words\" 'x  y'").stdout"#, "two  words x  y\n"),
        (
            r#"sh("echo $X $HERO_JOB_ID $HERO_CALLER_ID; env | grep -c SECRET", #{ignore_error: true}).stdout"#,
            "a b job-1 ann\n0\n",
        ),
        (r#"sh("printf 'no end'").stdout"#, "no end"),
        (r#"run_silent("echo hidden"); print("shown")"#, "shown"),
        (r#"print("a"); sh("echo b"); print("c"); ()"#, "a\nb\nc"),
        (
            r#"let m = ""; try { sh("echo why >&2; exit 3") } catch (e) { m = e } m"#,
            "echo why >&2; exit 3: exit code 3: why",
        ),
        (
            r#"let r = sh("seq 1 200000"); [r.stdout.len(), r.truncated, r.stdout.contains("\n100000\n")]"#,
            "[1288895,false,true]",
        ),
        (
            r#"let r = sh("head -c 20000000 /dev/zero", #{silent: true, ignore_error: true}); [r.truncated, r.stdout.contains(" bytes truncated ...]")]"#,
            "[true,true]",
        ),
    ] {
        assert_eq!(text(source), result, "{source}");
    }
    let cut = error(r#"sh("head -c 20000000 /dev/zero", #{silent: true})"#).message;
    assert!(cut.contains("bytes more than are kept"), "{cut}");
    let error = error("let x = 1;\n  sh(\"exit 7\")");
    assert_eq!((error.kind, error.line, error.column), (JobErrorKind::ScriptError, Some(2), Some(3)));
}

#[test]
fn a_command_ends_with_the_deadline_of_its_job() {
    let begun = Instant::now();
    let end = run_with(SalFlags::default(), "sh(\"sleep 60\")", Duration::from_millis(300));
    assert_eq!(end.unwrap_err().error.kind, JobErrorKind::RunTimeout);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn texts_are_changed() {
    for (source, result) in [
        (r#"dedent("    a\n      b\n\n    c")"#, "a\n  b\n\nc"),
        (r#"prefix("a\nb", "> ")"#, "> a\n> b"),
        (r#"name_fix("Hello,  World-é!.TXT")"#, "hello_world_.txt"),
        (r#"path_fix("/A B/C D.txt")"#, "/A B/c_d.txt"),
        (r#"text_replacer_new().pattern("a.").replacement("$1").build().replace("a. ab")"#, "$1 ab"),
        (
            r#"text_replacer_builder().pattern("(b+)").replacement("<$1>").regex(true).and().pattern("X").replacement("y").case_insensitive(true).build().replace("abbx")"#,
            "a<bb>y",
        ),
    ] {
        assert_eq!(text(source), result, "{source}");
    }
    assert!(error(r#"text_replacer_new().pattern("(").regex(true).build()"#).message.contains("unclosed"));
}

#[test]
fn installing_is_off_unless_the_owner_of_the_actor_allows_it() {
    for call in [
        r#"package_install("x")"#,
        r#"package_remove("x")"#,
        "package_update()",
        "package_upgrade()",
        r#"download("http://127.0.0.1:1/x", "/tmp", 0)"#,
        r#"download_file("http://127.0.0.1:1/x", "/tmp/x", 0)"#,
        r#"download_install("http://127.0.0.1:1/x", 0)"#,
        r#"copy_bin("/bin/true")"#,
    ] {
        let refused = error(call).message;
        assert_eq!(refused, "disabled by policy: start sal_actor with --allow-install", "{call}");
    }
    let allowed = SalFlags { allow_install: true, ..SalFlags::default() };
    let call = r#"download_file("http://127.0.0.1:1/x", "/tmp/hero-never", 0)"#;
    let failed = run_with(allowed, call, Duration::from_secs(60)).unwrap_err().error.message;
    assert!(failed.contains("curl"), "{failed}");
}
