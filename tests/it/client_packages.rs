//! The packages of the clients hold what a registry asks for, and do in an empty project what their READMEs say, on a real
//! supervisor. So do the lines for a clone of the repository.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::service::Service;

/// For what a language builds and fetches, on a busy machine.
const LIMIT: Duration = Duration::from_secs(600);
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `clients/package` makes of one client.
struct Package {
    language: &'static str,
    folder: TempDir,
}

impl Package {
    async fn build(language: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().display().to_string();
        run(&["clients/package", &out, language], None).await;
        Self { language, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(self.language).join(name.replace("VERSION", VERSION))
    }

    /// Checks that these files are in an archive, and that no other one lies where these prefixes say.
    async fn holds(&self, archive: &str, files: &[&str], not: &[&str]) {
        let path = self.path(archive).display().to_string();
        let is_tar = archive.ends_with("gz") || archive.ends_with("crate");
        let listing = if is_tar {
            "import sys, tarfile; print('\\n'.join(tarfile.open(sys.argv[1]).getnames()))"
        } else {
            "import sys, zipfile; print('\\n'.join(zipfile.ZipFile(sys.argv[1]).namelist()))"
        };
        let list = run(&["python3", "-c", listing, &path], None).await;
        let names: Vec<&str> = list.lines().collect();
        for file in files {
            let file = file.replace("VERSION", VERSION);
            assert!(names.contains(&file.as_str()), "{archive} has no {file}: {names:#?}");
        }
        for part in not {
            let found = names.iter().find(|name| name.contains(part));
            assert!(found.is_none(), "{archive} has {found:?}");
        }
    }

    /// Installs it into an empty project, and then does so from a clone; each prints the answer.
    async fn works(&self, answer: &str) {
        let service = Service::dev(&["--actors", "osis=1"]).await;
        let folder = self.folder.path().display().to_string();
        for from in [folder.as_str(), "clone"] {
            let printed = run(&["clients/try", self.language, from], Some(&service)).await;
            assert_eq!(printed, answer, "{} from {from}", self.language);
        }
    }
}

/// Runs a program in the repository, and gives what it prints.
async fn run(words: &[&str], service: Option<&Service>) -> String {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(env!("CARGO_MANIFEST_DIR")).kill_on_drop(true);
    if let Some(service) = service {
        command.env("HERO_SUPERVISOR_SERVER", format!("unix:{}", service.socket().display()));
    }
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("it ends").unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words:?}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[tokio::test]
async fn that_of_go_works() {
    let package = Package::build("go").await;
    let module = "github.com/hero-supervisor/hero-supervisor/clients/go";
    let at = format!("{module}@v{VERSION}");
    let files = ["LICENSE", "README.md", "go.mod", "connect.go", "hero/supervisor/v1/job.pb.go"];
    let files: Vec<String> = files.iter().map(|file| format!("{at}/{file}")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    package.holds(&format!("{module}/@v/vVERSION.zip"), &files, &[]).await;
    let go_mod = std::fs::read_to_string(package.path(&format!("{module}/@v/vVERSION.mod"))).unwrap();
    assert!(go_mod.starts_with(&format!("module {module}\n")), "{go_mod}");
    package.works("42\n").await;
}

#[tokio::test]
async fn that_of_java_works() {
    let package = Package::build("java").await;
    let base = "io/github/hero-supervisor/hero-supervisor/VERSION/hero-supervisor-VERSION";
    let classes =
        ["META-INF/LICENSE", "hero/supervisor/SupervisorClient.class", "hero/supervisor/v1/Job.class"];
    package.holds(&format!("{base}.jar"), &classes, &["Test", "Runner"]).await;
    let sources = ["hero/supervisor/SupervisorClient.java", "hero/supervisor/v1/Job.java"];
    package.holds(&format!("{base}-sources.jar"), &sources, &[]).await;
    let pages = ["index.html", "hero.supervisor/hero/supervisor/SupervisorClient.html"];
    package.holds(&format!("{base}-javadoc.jar"), &pages, &[]).await;
    let pom = std::fs::read_to_string(package.path(&format!("{base}.pom"))).unwrap();
    for field in [
        "<groupId>io.github.hero-supervisor</groupId>",
        "<name>",
        "<description>",
        "<url>https://",
        "<license>",
        "<developer>",
        "<connection>scm:git:",
        "<developerConnection>scm:git:",
    ] {
        assert!(pom.contains(field), "the POM has no {field}");
    }
    package.works("42\n").await;
}

#[tokio::test]
async fn that_of_python_works() {
    let package = Package::build("python").await;
    let wheel = [
        "hero/supervisor/client/__init__.py",
        "hero/supervisor/py.typed",
        "hero/supervisor/v1/job_pb2.pyi",
        "hero_supervisor-VERSION.dist-info/licenses/LICENSE",
    ];
    // hero and hero.supervisor are namespaces.
    let not = ["hero/__init__", "supervisor/__init__", "tests/"];
    package.holds("hero_supervisor-VERSION-py3-none-any.whl", &wheel, &not).await;
    let sdist = ["hero_supervisor-VERSION/LICENSE", "hero_supervisor-VERSION/PKG-INFO"];
    package.holds("hero_supervisor-VERSION.tar.gz", &sdist, &[]).await;
    package.works("42\n42\n").await;
}

#[tokio::test]
async fn that_of_rust_works() {
    let package = Package::build("rust").await;
    let crate_files = [
        "hero_supervisor-VERSION/LICENSE",
        "hero_supervisor-VERSION/Cargo.lock",
        "hero_supervisor-VERSION/README.md",
        "hero_supervisor-VERSION/proto/hero/supervisor/v1/job.proto",
        "hero_supervisor-VERSION/clients/rust/README.md",
    ];
    let not = ["/tests/it/", "/benches/", "/clients/go", "/.ci"];
    package.holds("hero_supervisor-VERSION.crate", &crate_files, &not).await;
    // What registries take is at most 10 MB.
    let size = std::fs::metadata(package.path("hero_supervisor-VERSION.crate")).unwrap().len();
    assert!(size < 10_000_000, "{size} bytes");
    package.works("42\n").await;
}

#[tokio::test]
async fn that_of_typescript_works() {
    let package = Package::build("typescript").await;
    let files = [
        "package/LICENSE",
        "package/README.md",
        "package/dist/src/index.js",
        "package/dist/src/index.d.ts",
        "package/dist/src/web.js",
    ];
    package.holds("hero-supervisor-VERSION.tgz", &files, &["dist/test", "conformance"]).await;
    package.works("42\n").await;
}

/// What is embedded into the service lies in the crate.
#[test]
fn what_the_crate_is_built_of_is_in_it() {
    let listed = std::process::Command::new(env!("CARGO"))
        .args(["package", "--list", "--allow-dirty", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let (root, mut seen) = (Path::new(env!("CARGO_MANIFEST_DIR")), 0);
    for source in listed.lines().filter(|file| file.ends_with(".rs") && !file.ends_with("tests.rs")) {
        let text = std::fs::read_to_string(root.join(source)).unwrap();
        for name in ["include_str!(\"", "include_bytes!(\""].iter().flat_map(|call| text.split(call).skip(1))
        {
            let name = name.split('"').next().unwrap();
            let file = root.join(source).parent().unwrap().join(name).canonicalize().unwrap();
            let file = file.strip_prefix(root.canonicalize().unwrap()).unwrap().to_owned();
            assert!(
                listed.lines().any(|line| Path::new(line) == file),
                "{source} includes {}",
                file.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}
