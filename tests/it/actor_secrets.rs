//! Secrets of an actor reach its process, by each way in which one can be given, and nobody else.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use hero_supervisor::proto as pb;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

use crate::access::pki::write;
use crate::support::full_service::{Client, FullService, create, span};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, run as command};
use crate::support::wait::eventually;

/// In a file, in a variable whose name tells it, and in one that is marked.
const IN_FILE: &str = "v4lue-0f-a-f1le";
const NAMED: &str = "v4lue-by-1ts-name";
const MARKED: &str = "v4lue-that-1s-marked";

/// Writes what its environment has into the file of its argument, and goes on.
const PROGRAM: &str = "#!/bin/sh\nenv > \"$1.new\"; mv \"$1.new\" \"$1\"; echo started; exec sleep 1000\n";

struct Stage {
    whole: FullService,
    dir: tempfile::TempDir,
    tokens: BTreeMap<&'static str, String>,
}

impl Stage {
    async fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("secrets").tempdir_in("/tmp").unwrap();
        let file = dir.path().join("tokens.toml");
        let make = |role: &'static str| {
            let made = command([
                "token",
                "create",
                "--tokens-file",
                file.to_str().unwrap(),
                "--role",
                role,
                "--quiet",
            ]);
            assert_eq!(made.code, 0, "{made:?}");
            (role, made.stdout.trim().to_owned())
        };
        let tokens = ["viewer", "operator", "admin"].map(make).into();
        let flags = ["--auth-tokens-file", file.to_str().unwrap()];
        let whole = FullService::start_on(PrivateRedis::start().await, &flags).await;
        write(&dir.path().join("secret"), &format!("{IN_FILE}\n"));
        let program = dir.path().join("program");
        std::fs::write(&program, PROGRAM).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        Self { whole, dir, tokens }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn definition(&self, id: &str) -> pb::CreateActorRequest {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let config = pb::ActorConfig {
            script_type: pb::ScriptType::Osis.into(),
            binary_path: self.text("program"),
            args: vec![self.text("environment")],
            env: [pair("API_TOKEN", NAMED), pair("LICENCE", MARKED), pair("LEVEL", "3")].into(),
            env_from_file: [pair("DB", &self.text("secret"))].into(),
            secret_env: vec!["LICENCE".to_owned()],
            readiness: pb::actor_config::Readiness::Process.into(),
            start_timeout: span(LIMIT),
            ..Default::default()
        };
        pb::CreateActorRequest {
            actor_id: id.to_owned(),
            config: Some(config),
            max_wait: span(LIMIT),
            ..Default::default()
        }
    }

    /// What a caller with this role is told of all actors.
    async fn shown_to(&self, role: &str) -> pb::ActorConfig {
        let bearer: MetadataValue<_> = format!("Bearer {}", self.tokens[role]).parse().unwrap();
        let view = pb::ActorView::Full.into();
        let ask = |message| {
            let mut request = Request::new(message);
            request.metadata_mut().insert("authorization", bearer.clone());
            request
        };
        let mut client: Client = SupervisorClient::new(tonic_channel(&self.whole));
        let list = pb::ListActorsRequest { view, ..Default::default() };
        let mut request = Request::new(list);
        request.metadata_mut().insert("authorization", bearer.clone());
        let listed = client.list_actors(request).await.unwrap().into_inner().actors.remove(0);
        let get = pb::GetActorRequest { actor_id: listed.actor_id.clone(), view, ..Default::default() };
        let got = client.get_actor(ask(get)).await.unwrap().into_inner().actor.unwrap();
        assert_eq!(got.config, listed.config);
        got.config.unwrap()
    }

    /// The environment that the program was started with.
    async fn environment(&self) -> String {
        eventually("the program writes its environment", LIMIT, || async {
            std::fs::read_to_string(self.path("environment")).ok()
        })
        .await
    }
}

fn tonic_channel(whole: &FullService) -> tonic::transport::Channel {
    crate::support::full_service::channel(&whole.service)
}

/// Where somebody else could look: command lines, and environments of processes that are no actors.
fn processes() -> String {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok());
    let read = |pid: i32, file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let own = std::process::id().cast_signed();
    let mut all = Vec::new();
    for pid in pids.filter(|pid| *pid != own) {
        all.extend(read(pid, "cmdline"));
        let environment = read(pid, "environ");
        let is_actor = environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(b"HERO_ACTOR_ID="));
        if !is_actor {
            all.extend(environment);
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

async fn restart(admin: &mut Client, id: &str) {
    let restart =
        pb::RestartActorRequest { actor_id: id.to_owned(), max_wait: span(LIMIT), ..Default::default() };
    admin.restart_actor(restart).await.unwrap();
}

#[tokio::test]
async fn secrets_reach_the_process_and_nobody_else() {
    let stage = Stage::start().await;
    let mut admin = stage.whole.client();
    create(&mut admin, stage.definition("keeper")).await;
    let environment = stage.environment().await;
    for line in [format!("DB={IN_FILE}"), format!("API_TOKEN={NAMED}"), format!("LICENCE={MARKED}")] {
        assert!(environment.lines().any(|known| known == line), "{line}: {environment}");
    }
    assert!(!environment.contains("HERO_ENV_FILE"), "{environment}");

    for role in ["viewer", "operator"] {
        let shown = stage.shown_to(role).await;
        assert_eq!(
            [&shown.env["API_TOKEN"], &shown.env["LICENCE"], &shown.env["LEVEL"]],
            ["***", "***", "3"],
            "{role}"
        );
        assert_eq!(shown.env_from_file["DB"], stage.text("secret"));
        let text = format!("{shown:?}");
        assert!([IN_FILE, NAMED, MARKED].iter().all(|value| !text.contains(value)), "{role}: {text}");
    }
    let shown = stage.shown_to("admin").await;
    assert_eq!([&shown.env["API_TOKEN"], &shown.env["LICENCE"]], [NAMED, MARKED]);
    assert!(!format!("{shown:?}").contains(IN_FILE), "not even an admin is told: {shown:?}");

    // The value of the file is nowhere; those of the definition are in Zinit's folder, which is private.
    let zinit = files_below(&stage.whole.zinit.config_dir());
    let mut texts = vec![
        stage.whole.service.stderr(),
        stage.whole.zinit.log(),
        stage.whole.log_of("keeper").await,
        stage.whole.service.run(["events", "-o", "json"]).stdout,
        processes(),
    ];
    for text in &texts {
        for value in [NAMED, MARKED] {
            assert!(!text.contains(value), "{value} in {text}");
        }
    }
    texts
        .extend(zinit.iter().map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()));
    assert!(texts.iter().any(|text| text.contains(NAMED)), "Zinit's file has the definition: {zinit:?}");
    for text in &texts {
        assert!(!text.contains(IN_FILE), "{text}");
    }
    for file in zinit {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", file.display());
    }

    // A restart reads the file again.
    write(&stage.path("secret"), "an0ther-value");
    std::fs::remove_file(stage.path("environment")).unwrap();
    restart(&mut admin, "keeper").await;
    assert!(stage.environment().await.contains("DB=an0ther-value"));
}

#[tokio::test]
async fn a_file_that_others_can_read_keeps_the_actor_from_its_start() {
    let stage = Stage::start().await;
    std::fs::set_permissions(stage.path("secret"), Permissions::from_mode(0o644)).unwrap();
    let mut definition = stage.definition("keeper");
    definition.config.as_mut().unwrap().restart_policy =
        Some(pb::RestartPolicy { mode: pb::restart_policy::Mode::Never.into(), ..Default::default() });
    let refused = stage.whole.client().create_actor(definition).await;
    let log = eventually("the log tells the variable", LIMIT, || async {
        let log = stage.whole.log_of("keeper").await;
        log.contains("env_from_file").then_some(log)
    })
    .await;
    assert!(log.contains("DB") && log.contains("chmod 600"), "{log}");
    assert!(!log.contains(IN_FILE) && !format!("{refused:?}").contains(IN_FILE), "{log} {refused:?}");
}

#[tokio::test]
async fn a_definition_with_two_sources_of_a_variable_is_refused() {
    let stage = Stage::start().await;
    let mut definition = stage.definition("keeper");
    definition.config.as_mut().unwrap().env.insert("DB".to_owned(), "1".to_owned());
    let refused = stage.whole.client().create_actor(definition).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("env_from_file[\"DB\"]"), "{refused:?}");
}

/// Others cannot read a service file even while Zinit writes it, and get their rights to the folder back.
#[tokio::test]
async fn the_folder_of_zinit_is_closed_while_a_file_with_secrets_is_written() {
    let stage = Stage::start().await;
    let folder = stage.whole.zinit.config_dir();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    // Somebody else who tries all the time, and can read what is for everybody.
    std::fs::write(folder.join("bait"), "for everybody\n").unwrap();
    let script = format!("while :; do cat {0}/*.toml {0}/bait 2>/dev/null; done", folder.display());
    let parent = stage.whole.zinit.config_dir().parent().unwrap().to_owned();
    std::fs::set_permissions(&parent, Permissions::from_mode(0o755)).unwrap();
    let mut thief = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh", "-c", &script])
        .stdout(std::fs::File::create(stage.path("stolen")).unwrap())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut client = stage.whole.client();
    for number in 0..10 {
        create(&mut client, stage.definition(&format!("keeper_{number}"))).await;
    }
    eventually("the folder is open again", LIMIT, || async {
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        (mode & 0o777 == 0o755).then_some(())
    })
    .await;
    let stolen_by_now = || std::fs::read_to_string(stage.path("stolen")).unwrap().len();
    let before = stolen_by_now();
    eventually("the thief has read in the open folder", LIMIT, || async {
        (stolen_by_now() > before).then_some(())
    })
    .await;
    drop(thief.kill());
    drop(thief.wait());
    let stolen = std::fs::read_to_string(stage.path("stolen")).unwrap();
    assert!(stolen.contains("for everybody") && !stolen.contains(NAMED), "{stolen}");
}
