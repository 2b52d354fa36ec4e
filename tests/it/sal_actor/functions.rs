//! Each family of functions, really used.

use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, Outcome};

use super::{error, script, text};
use crate::osis_actor::osis_program::OsisProgram;

#[tokio::test]
async fn files_are_made_found_copied_moved_and_deleted() {
    let rig = OsisProgram::start().await;
    let _actor = rig.sal_actor("sal_actor_0", &[]);
    let dir = tempfile::tempdir().unwrap();
    let source = r##"
        let d = ENV.DIR;
        mkdir(d + "/a/b");
        file_write(d + "/a/one.txt", "grüße");
        file_write(d + "/a/b/two.txt", "2");
        file_write_append(d + "/a/one.txt", " 🦀");
        copy(d + "/a", d + "/copy");
        mkdir(d + "/into");
        copy(d + "/a/*.txt", d + "/into");
        mv(d + "/into/one.txt", d + "/into/moved.txt");
        let found = find_files(d, "*.txt").map(|path| path.sub_string(d.len()));
        file_write(d + "/run.sh", "#!/bin/sh\necho ran");
        chmod_exec(d + "/run.sh");
        delete(d + "/copy");
        delete(d + "/copy");
        chdir(d + "/a");
        [file_read(d + "/a/one.txt"), file_size(d + "/a/one.txt"), found, find_dir(d, "b*") == d + "/a/b",
            find_dirs(d, "?").len(), exist(d + "/copy"), sh("../run.sh").stdout, file_read("b/two.txt")]
    "##;
    let mut spec = script(source);
    spec.env.insert("DIR".to_owned(), dir.path().display().to_string());
    let Outcome::Succeeded(result) = rig.end_of(spec).await.outcome else { panic!("it fails") };
    let found = r#"["/a/b/two.txt","/a/one.txt","/copy/b/two.txt","/copy/one.txt","/into/moved.txt"]"#;
    assert_eq!(result.text, format!(r#"["grüße 🦀",12,{found},true,2,false,"ran\n","2"]"#));
    for source in
        ["file_read(\"/nowhere\")", "copy(\"/nowhere\", \"/tmp/x\")", "find_file(\"/nowhere\", \"x\")"]
    {
        let error = error(&rig, script(source)).await;
        assert_eq!((error.kind, error.line), (JobErrorKind::ScriptError, Some(1)));
        assert!(error.message.starts_with("/nowhere: "), "{error:?}");
    }
}

#[tokio::test]
async fn commands_have_exit_codes_and_their_output_is_in_order() {
    let rig = OsisProgram::start().await;
    let _actor = rig.sal_actor("sal_actor_0", &[]);
    let lines: String = (0..300).map(|number| format!("{number}\n")).collect();
    let printed =
        text(&rig, "print(\"first\"); sh(\"for i in $(seq 0 299); do echo $i; done\"); print(\"last\");")
            .await;
    assert_eq!(printed, format!("first\n{lines}last"));
    assert_eq!(text(&rig, "sh(\"exit 7\", #{ignore_error: true}).code").await, "7");
    let error = error(&rig, script("print(\"x\");\n sh(\"echo broken >&2; exit 9\")")).await;
    assert_eq!((error.kind, error.line), (JobErrorKind::ScriptError, Some(2)));
    assert!(error.message.ends_with("exit code 9: broken"), "{error:?}");
    assert_eq!(error.log_tail, ["x", "broken"]);
    let env = text(&rig, "sh(\"env | sort | cut -d= -f1\").stdout").await;
    let known = [
        "HERO_ACTOR_ID",
        "HERO_ACTOR_PROCESS",
        "HERO_CALLER_ID",
        "HERO_CONTEXT_ID",
        "HERO_JOB_ID",
        "HOME",
        "LANG",
        "PATH",
        "PWD",
        "SHLVL",
        "TMPDIR",
        "_",
    ];
    assert!(env.lines().all(|name| known.contains(&name)), "{env}");
}

#[tokio::test]
async fn processes_texts_network_and_machine_are_seen() {
    let rig = OsisProgram::start().await;
    let _actor = rig.sal_actor("sal_actor_0", &[]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (source, expected) in [
        ("sh(\"sleep 321 &\"); let p = process_get(\"sleep 321\"); [p.pid > 0, p.name, p.memory > 0.0, kill(\"sleep 321\")]".to_owned(),
            r#"[true,"sleep 321",true,1]"#),
        ("process_list(\"\").len() > 3".to_owned(), "true"),
        ("[which(\"sh\") != \"\", which(\"no-such-command\")]".to_owned(), r#"[true,""]"#),
        ("cmd_ensure_exists(\"sh, cat\").len() > 0".to_owned(), "true"),
        (format!("[tcp_check(\"127.0.0.1\", {port}), tcp_check(\"127.0.0.1\", 1)]"), "[true,false]"),
        ("[platform_is_linux(), platform_is_osx()]".to_owned(), "[true,false]"),
        ("package_is_installed(\"no-such-package\")".to_owned(), "false"),
        ("let t = \"/tmp/hero-\" + ENV.HERO_JOB_ID; file_write(t, \"{% for x in xs %}{{ x }},{% endfor %}{{ n + 1 }} {{ m.k }}\\n\"); \
          let r = template_builder_open(t).add_var(\"xs\", [1, \"b\"]).add_vars(#{n: 6, m: #{k: true}}).render(); delete(t); r".to_owned(), "1,b,7 True\n"),
    ] {
        assert_eq!(text(&rig, &source).await, expected, "{source}");
    }
    let refused = error(&rig, script("package_install(\"cowsay\")")).await;
    assert_eq!(refused.message, "disabled by policy: start sal_actor with --allow-install");
    let refused = error(&rig, script("kill(\"redis-server\") + 1; process_get(\"no such process\")")).await;
    assert!(refused.message.contains("0 processes match"), "{refused:?}");
    assert_eq!(text(&rig, "1").await, "1", "nobody else's process was ended");
}

/// Answers one request after the other: 200, 302 to the first, 404.
fn serve_http(listener: std::net::TcpListener) -> std::thread::JoinHandle<()> {
    use std::io::{BufRead, BufReader, Write};
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            while !lines.next().unwrap().unwrap().is_empty() {}
            let status = match first.split(' ').nth(1).unwrap() {
                "/" => "200 OK",
                "/moved" => "302 Found\r\nLocation: /",
                "/end" => return,
                _ => "404 Not Found",
            };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
    })
}

#[tokio::test]
async fn urls_are_looked_at() {
    let rig = OsisProgram::start().await;
    let _actor = rig.sal_actor("sal_actor_0", &[]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = serve_http(listener);
    let asked = format!(
        r#"let base = "{base}"; [http_status(base), http_status(base + "/moved"), http_check(base + "/"), http_status(base + "/no"),
            http_check(base + "/no"), http_status("http://127.0.0.1:1/"), http_check("http://127.0.0.1:1/")]"#
    );
    assert_eq!(text(&rig, &asked).await, "[200,200,true,404,false,-1,false]");
    let wrong = error(&rig, script("http_status(\"file:///etc/passwd\")")).await;
    assert!(wrong.message.contains("file:///etc/passwd"), "{wrong:?}");
    assert_eq!(text(&rig, &format!("http_status(\"{base}/end\")")).await, "-1");
    server.join().unwrap();
}

/// No machine to log in to is at hand, so this sees how `ssh` and `ping` are called and how their answers are read.
#[tokio::test]
async fn ssh_and_ping_are_called_with_stand_ins_for_them() {
    use std::os::unix::fs::PermissionsExt;
    let rig = OsisProgram::start().await;
    let _actor = rig.sal_actor("sal_actor_0", &[]);
    let folder = tempfile::tempdir().unwrap();
    for (name, program) in [
        ("ssh", "#!/bin/sh\necho \"$*\"\ncase \"$*\" in *nowhere*) exit 255;; *fails*) exit 3;; esac\n"),
        ("ping", "#!/bin/sh\ncase \"$*\" in *nowhere*) exit 1;; esac\n"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, program).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let run = async |source: &str| {
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let spec = JobSpec { env: [("PATH".to_owned(), path)].into(), ..script(source) };
        rig.end_of(spec).await.outcome
    };
    let answers = [
        (
            "ssh_execute_output(\"far\", \"me\", \"uptime -p\")",
            "-o BatchMode=yes -o ConnectTimeout=5 -o StrictHostKeyChecking=accept-new -- me@far uptime -p\n",
        ),
        ("[ssh_execute(\"far\", \"me\", \"fails\"), ssh_execute(\"nowhere\", \"me\", \"true\")]", "[3,255]"),
        ("[ssh_ping(\"far\", \"me\"), ssh_ping(\"nowhere\", \"me\")]", "[true,false]"),
        ("[tcp_ping(\"far\"), tcp_ping(\"nowhere\")]", "[true,false]"),
        ("which(\"ssh\").ends_with(\"/ssh\")", "true"),
    ];
    for (source, expected) in answers {
        match run(source).await {
            Outcome::Succeeded(result) => assert_eq!(result.text, expected, "{source}"),
            other @ (Outcome::Failed(_) | Outcome::Cancelled(_)) => panic!("{source}: {other:?}"),
        }
    }
    match run("ssh_execute_output(\"far\", \"me\", \"fails\")").await {
        Outcome::Failed(error) => assert!(error.message.contains("ssh: exit code 3"), "{error:?}"),
        other @ (Outcome::Succeeded(_) | Outcome::Cancelled(_)) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn scripts_have_a_redis_if_they_are_given_one() {
    let rig = OsisProgram::start().await;
    let theirs = crate::support::redis::PrivateRedis::start().await;
    let url = format!("--script-redis-url={}", theirs.url());
    let actor = rig.sal_actor("sal_actor_0", &[&url]);
    let source = r##"
        redis_set("a", "grüße");
        redis_hset("h", "x", "1"); redis_hset("h", "y", "2");
        redis_rpush("l", "two"); redis_lpush("l", "one");
        [redis_ping(), redis_get("a"), redis_get("none"), redis_del("a"), redis_del("a"), redis_hget("h", "x"),
            redis_hgetall("h").y, redis_hdel("h", "x"), redis_llen("l"), redis_lrange("l", 0, -1),
            redis_expire("l", 60), redis_expire("none", 60)]
    "##;
    let expected = r#"["PONG","grüße","",true,false,"1","2",true,2,["one","two"],true,false]"#;
    assert_eq!(text(&rig, source).await, expected);
    let shown = crate::support::full_service::command_line(actor.children()[0]).unwrap();
    assert!(!shown.iter().any(|word| word.contains(&theirs.url())), "everybody sees arguments: {shown:?}");
    let environment = text(&rig, "sh(\"tr '\\\\0' ' ' < /proc/$PPID/environ; env\").stdout").await;
    assert!(
        !environment.contains(&theirs.url()) && !environment.contains("HERO_SCRIPT_REDIS"),
        "{environment}"
    );
    let wrong = error(&rig, script("redis_hget(\"l\", \"x\")")).await;
    assert_eq!((wrong.kind, wrong.line), (JobErrorKind::ScriptError, Some(1)));
    assert!(wrong.message.contains("WRONGTYPE"), "{wrong:?}");
    // Away, and back again.
    assert_eq!(text(&rig, "try { redis_ping() } catch { \"away\" }").await, "PONG");
    let mut connection = theirs.connection().await;
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
    let _killed: i64 = kill.query_async(&mut connection).await.unwrap();
    let ask = "let answer = \"\"; for i in 0..3 { try { answer = redis_ping(); break } catch {} } answer";
    assert_eq!(text(&rig, ask).await, "PONG");
    // One that stands still holds up no job beyond its time.
    theirs.freeze();
    let mut late = script("redis_ping()");
    late.run_timeout = std::time::Duration::from_secs(2);
    assert_eq!(error(&rig, late).await.kind, JobErrorKind::RunTimeout);
    theirs.thaw();
    drop(actor);

    let _without = rig.sal_actor("sal_actor_1", &[]);
    let error = error(&rig, script("redis_get(\"a\")")).await;
    assert!(error.message.contains("--script-redis-url"), "{error:?}");
}
