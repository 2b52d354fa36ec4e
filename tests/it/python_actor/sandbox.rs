//! Scripts that are confined by the kernel.

use std::fs;
use std::process::Command;

use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec};
use hero_supervisor::domain::model::script_type::ScriptType;

use super::{PYTHON_ACTOR, run};
use crate::osis_actor::osis_program::OsisProgram;

#[tokio::test]
async fn a_confined_script_writes_into_its_folder_and_nowhere_else() {
    let rig = OsisProgram::start().await;
    let outside = tempfile::Builder::new().prefix("outside").tempdir().unwrap();
    let (secret, shared) = (outside.path().join("secret"), outside.path().join("shared"));
    fs::write(&secret, "s3cret").unwrap();
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("table.csv"), "1,2,3").unwrap();
    let read = format!("--sandbox-read={}", shared.display());
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--sandbox=landlock", &read]);

    assert_eq!(run(&rig, "open('own', 'w').write('mine')\nopen('own').read()").await, "mine");
    assert_eq!(
        run(&rig, "import json, csv, subprocess\nsubprocess.check_output(['echo', 'hello'], text=True)")
            .await,
        "hello\n"
    );
    assert_eq!(run(&rig, &format!("open({:?}).read()", shared.join("table.csv"))).await, "1,2,3");
    for refused in [
        format!("open({secret:?}).read()"),
        format!("open({:?}, 'w')", outside.path().join("new")),
        format!("open({:?}, 'w')", shared.join("table.csv")),
        format!("import os\nos.remove({secret:?})"),
        "import os\nos.listdir('/root')".to_owned(),
        // What it starts is as confined as it is.
        format!("import subprocess\nsubprocess.check_call(['cat', {secret:?}])"),
    ] {
        let error = rig.error(JobSpec::new(ScriptType::Python, refused.as_str())).await;
        assert_eq!(error.kind, JobErrorKind::ScriptError, "{refused}: {error:?}");
        let said = format!("{} {:?}", error.message, error.log_tail);
        assert!(said.contains("Permission denied") || said.contains("EACCES"), "{refused}: {said}");
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "s3cret");
    assert_eq!(fs::read_to_string(shared.join("table.csv")).unwrap(), "1,2,3");
}

/// Nothing of these is in reach of a confined script.
const NET: &str = "import socket, os\n\
    def tried(call):\n    try: return call() or 'done'\n    except OSError as error: return error.strerror\n\
    def connect(family, address):\n    socket.socket(family).connect(address)\n";

#[tokio::test]
async fn a_confined_script_reaches_no_network_no_process_and_no_secret_of_the_system() {
    let rig = OsisProgram::start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--sandbox=landlock"]);
    let refused = "[\"Permission denied\",\"Permission denied\"]";
    let tcp = format!(
        "{NET}[tried(lambda: connect(socket.AF_INET, ('127.0.0.1', {port}))), \
         tried(lambda: socket.socket().bind(('127.0.0.1', 0)))]"
    );
    assert_eq!(run(&rig, &tcp).await, refused);
    let read = format!(
        "{NET}[tried(lambda: open('/etc/shadow').read()), tried(lambda: open('/proc/{}/environ').read())]",
        actor.pid()
    );
    assert_eq!(run(&rig, &read).await, refused);
    assert_eq!(run(&rig, "open('/etc/hosts').read()\nimport ssl, subprocess\n1").await, "1");
    // Whoever it runs as: root has nothing but its files.
    let capabilities = "subprocess = __import__('subprocess')\n\
        said = subprocess.check_output(['grep', '^Cap', '/proc/self/status'], text=True)\n\
        {int(line.split()[1], 16) for line in said.splitlines()} == {0}";
    assert_eq!(run(&rig, capabilities).await, "true");
    let signal = format!("{NET}tried(lambda: os.kill({}, 0))", actor.pid());
    let said = run(&rig, &signal).await;
    assert_eq!(said, "Operation not permitted", "signals are refused from Linux 6.12 on");
}

#[tokio::test]
async fn the_network_can_be_opened_to_confined_scripts() {
    let rig = OsisProgram::start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &["--sandbox=landlock", "--sandbox-net"]);
    let tcp = format!("{NET}tried(lambda: connect(socket.AF_INET, ('127.0.0.1', {port})))");
    assert_eq!(run(&rig, &tcp).await, "done");
}

#[tokio::test]
async fn how_far_the_confinement_goes_is_said() {
    let rig = OsisProgram::start().await;
    let ran = Command::new(PYTHON_ACTOR)
        .args(["--health-check", "--sandbox=landlock", "--redis-url", &rig.redis.url()])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let said = format!("{out}{err}");
    assert_eq!(ran.status.code(), Some(0), "{said}");
    assert!(said.contains("landlock in force"), "{said}");
}

#[tokio::test]
async fn what_scripts_are_to_read_must_be_there() {
    let rig = OsisProgram::start().await;
    let ran = Command::new(PYTHON_ACTOR)
        .args(["--health-check", "--sandbox=landlock", "--sandbox-read=/no/such/folder"])
        .args(["--redis-url", &rig.redis.url()])
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("/no/such/folder") && said.contains("--sandbox-read"), "{said}");
}

#[tokio::test]
async fn what_is_beside_the_folder_of_python_is_not_shown() {
    let rig = OsisProgram::start().await;
    let home = tempfile::Builder::new().prefix("home").tempdir().unwrap();
    fs::create_dir(home.path().join("bin")).unwrap();
    let python = home.path().join("bin/python3");
    fs::write(&python, "#!/bin/sh\nexec python3 \"$@\"\n").unwrap();
    fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let secret = home.path().join("secret");
    fs::write(&secret, "s3cret").unwrap();
    let flags = ["--sandbox=landlock".to_owned(), format!("--python-bin={}", python.display())];
    let _actor = rig.start_actor(PYTHON_ACTOR, "python_actor_0", &flags.each_ref().map(String::as_str));
    let error = rig.error(JobSpec::new(ScriptType::Python, format!("open({secret:?}).read()"))).await;
    assert_eq!(error.kind, JobErrorKind::ScriptError, "{error:?}");
    assert!(error.message.contains("Permission denied"), "{error:?}");
    assert_eq!(run(&rig, "import json, csv\n1").await, "1");
}
