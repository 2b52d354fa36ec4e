//! What is generated and committed is what would be generated now. `make gen` writes it.

mod cli_page;

use std::fs;
use std::path::Path;

use hero_supervisor::actor::engines::Limits;
use hero_supervisor::actor::engines::sal::{Sal, SalFlags};
use hero_supervisor::app::actor::script_redis;
use hero_supervisor::cli;
use hero_supervisor::proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::FileDescriptorSet;

/// The whole API for tools that do not ask the server: `grpcurl -protoset clients/descriptor.binpb …`.
#[test]
fn generated_files_are_up_to_date() {
    let mut descriptors = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    for file in &mut descriptors.file {
        // Comments are in the proto files; here they would make every change of a word a change of a binary.
        file.source_code_info = None;
    }
    check("clients/descriptor.binpb", &descriptors.encode_to_vec());
}

/// Every function that sal_actor registers.
#[test]
fn the_page_about_sal_functions_is_up_to_date() {
    let sal = Sal::new(&SalFlags::default(), Limits::default(), script_redis);
    check("docs/sal.md", sal.reference().as_bytes());
}

/// Where the version of the crate stands once more: a file, what is in front of it, and what is behind.
const VERSIONS: [(&str, &str, &str); 12] = [
    ("clients/go/README.md", "`clients/go/v", "`"),
    ("clients/go/doc.go", "const Version = \"", "\""),
    ("clients/java/README.md", "<artifactId>hero-supervisor</artifactId>\n  <version>", "</version>"),
    ("clients/java/pom.xml", "<artifactId>hero-supervisor</artifactId>\n  <version>", "</version>"),
    ("clients/java/src/main/java/hero/supervisor/SupervisorClient.java", "String VERSION = \"", "\""),
    ("clients/python/pyproject.toml", "\nversion = \"", "\""),
    ("clients/python/src/hero/supervisor/client/_version.py", "VERSION = \"", "\""),
    ("clients/typescript/README.md", "/hero-supervisor-", ".tgz"),
    ("clients/typescript/package-lock.json", "\"name\": \"hero-supervisor\",\n  \"version\": \"", "\""),
    ("clients/typescript/package-lock.json", "\"name\": \"hero-supervisor\",\n      \"version\": \"", "\""),
    ("clients/typescript/package.json", "\"version\": \"", "\""),
    ("clients/typescript/src/version.ts", "VERSION = \"", "\""),
];

/// A release changes the version in `Cargo.toml` and says `make gen`.
#[test]
fn the_versions_of_the_clients_are_that_of_the_crate() {
    for (path, before, after) in VERSIONS {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        let (head, rest) = text.split_once(before).unwrap_or_else(|| panic!("{path} has no version"));
        let (_version, tail) = rest.split_once(after).unwrap();
        check(path, format!("{head}{before}{}{after}{tail}", env!("CARGO_PKG_VERSION")).as_bytes());
    }
}

/// Every command and option.
#[test]
fn the_page_about_the_command_line_is_up_to_date() {
    check("docs/cli.md", cli_page::page(cli::command()).as_bytes());
}

fn check(path: &str, fresh: &[u8]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("HERO_GENERATE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, fresh).unwrap();
    }
    let committed = fs::read(&file).unwrap_or_default();
    assert!(committed == fresh, "{path} is out of date: run `make gen` and commit what it changes");
}
