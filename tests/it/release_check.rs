//! `make release-check` says all that is missing, and nothing more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A copy of what the check looks at, as a repository of its own.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let repository = Self(tempfile::tempdir().unwrap());
        let files = [
            "Cargo.toml",
            "Cargo.lock",
            "CHANGELOG.md",
            "packaging/common.sh",
            "packaging/release-check",
            "packaging/checksums",
            "clients/python/pyproject.toml",
            "clients/typescript/package.json",
            "clients/java/pom.xml",
        ];
        for file in files {
            let copy = repository.path(file);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(root.join(file), copy).unwrap();
        }
        fs::write(repository.path(".gitignore"), "/dist/\n").unwrap();
        repository.git(&["init", "--quiet"]);
        repository.commit();
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, program: &str, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(program);
        let ran =
            command.args(args).current_dir(self.0.path()).env_remove("SOURCE_DATE_EPOCH").output().unwrap();
        let printed = [ran.stdout, ran.stderr].concat();
        (ran.status.code().unwrap(), String::from_utf8_lossy(&printed).into_owned())
    }

    fn git(&self, args: &[&str]) {
        let who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"];
        let (code, printed) = self.run("git", &[&who, args].concat());
        assert_eq!(code, 0, "git {args:?}: {printed}");
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "all"]);
    }

    /// Without what takes minutes, as crates are not built here.
    fn check(&self) -> (i32, String) {
        let script = self.path("packaging/release-check");
        self.run(script.to_str().unwrap(), &["--quick"])
    }
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[test]
fn everything_that_a_release_lacks_is_said_at_once() {
    let repository = Repository::new();
    fs::write(repository.path("clients/java/pom.xml"), "<project>\n  <version>9.9.9</version>\n</project>\n")
        .unwrap();
    let (code, printed) = repository.check();
    assert_eq!(code, 1, "{printed}");
    let version = version();
    for part in [
        "a clean tree".to_owned(),
        format!("`## {version} - "),
        format!("git tag --annotate v{version}"),
        format!("version {version} in clients/java/pom.xml: it has 9.9.9"),
        format!("dist/hero-supervisor_{version}-1_*.deb"),
        "dist/SHA256SUMS".to_owned(),
    ] {
        assert!(printed.contains(&part), "{part}: {printed}");
    }
    assert!(!printed.contains("pyproject.toml"), "the others have the version: {printed}");
}

#[test]
fn a_release_with_all_that_it_needs_lacks_nothing() {
    let (repository, version) = (Repository::new(), version());
    let changes = fs::read_to_string(repository.path("CHANGELOG.md")).unwrap();
    let released = format!("## Unreleased\n\n## {version} - 2026-01-31\n");
    fs::write(repository.path("CHANGELOG.md"), changes.replacen("## Unreleased\n", &released, 1)).unwrap();
    // The library is named and not there, which is enough for its version and its lock file.
    fs::create_dir_all(repository.path("src")).unwrap();
    fs::write(repository.path("src/lib.rs"), "").unwrap();
    repository.commit();
    repository.git(&["tag", "--annotate", &format!("v{version}"), "--message", "a release"]);
    let machine = std::env::consts::ARCH;
    fs::create_dir(repository.path("dist")).unwrap();
    let files = [
        format!("hero-supervisor_{version}-1_any.deb"),
        format!("hero-supervisor-{version}-linux-{machine}.tar.gz"),
        format!("hero-supervisor-{version}-image-{machine}.tar"),
        format!("hero-supervisor-{version}-try-image-{machine}.tar"),
        format!("hero-supervisor-{version}-sbom.cdx.json"),
        "zinit-0.3.9-sbom.cdx.json".to_owned(),
        "compose.yaml".to_owned(),
    ];
    for file in &files {
        fs::write(repository.path("dist").join(file), file).unwrap();
    }
    let sums = repository.path("packaging/checksums");
    assert_eq!(repository.run(sums.to_str().unwrap(), &[]).0, 0);
    let (code, printed) = repository.check();
    assert_eq!((code, printed.trim()), (0, format!("nothing is missing for {version}").as_str()));

    // What was changed after the sums were made is found.
    fs::write(repository.path("dist").join(&files[0]), "other").unwrap();
    let (code, printed) = repository.check();
    assert!(code == 1 && printed.contains("checksums of what is in dist"), "{printed}");
}
