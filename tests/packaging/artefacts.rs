//! Properties of the files themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::ran::here;

/// The C library that Debian 10, Ubuntu 20.04 and RHEL 8 have at least.
const GLIBC: (u32, u32) = (2, 28);
/// Libraries that every such system has.
const SYSTEM_LIBRARIES: [&str; 7] = [
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libgcc_s.so.1",
    "ld-linux-x86-64.so.2",
];
const PROGRAMS: [&str; 7] = [
    "bin/hero-supervisor",
    "bin/osis_actor",
    "bin/sal_actor",
    "bin/python_actor",
    "bin/v_actor",
    "lib/hero-supervisor/zinit",
    "lib/hero-supervisor/zinit-server",
];

/// The tarball, unpacked; and what is in it below `usr`.
fn unpacked() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let tarball = crate::artefact("hero-supervisor-", ".tar.gz");
    let name = tarball.file_name().unwrap().to_str().unwrap().strip_suffix(".tar.gz").unwrap().to_owned();
    here("tar", &["xzf", tarball.to_str().unwrap(), "-C", dir.path().to_str().unwrap()]);
    let usr = dir.path().join(name).join("usr");
    (dir, usr)
}

/// The versions of the C library whose symbols `readelf --version-info` lists.
fn versions(listed: &str) -> BTreeSet<(u32, u32)> {
    let names = listed.split(|letter: char| letter.is_whitespace());
    let versions = names.filter_map(|name| name.strip_prefix("GLIBC_"));
    versions
        .filter_map(|version| {
            let mut parts = version.split('.').map(str::parse::<u32>);
            Some((parts.next()?.ok()?, parts.next()?.ok()?))
        })
        .collect()
}

#[test]
fn the_programs_need_no_newer_c_library_and_nothing_else() {
    let (_dir, usr) = unpacked();
    for program in PROGRAMS {
        let file = usr.join(program);
        let needed = versions(&here("readelf", &["--version-info", "--wide", file.to_str().unwrap()]));
        assert!(!needed.is_empty(), "{program} is linked to no C library?");
        assert!(needed.iter().all(|version| *version <= GLIBC), "{program} needs {needed:?}");

        let dynamic = here("readelf", &["--dynamic", "--wide", file.to_str().unwrap()]);
        let libraries = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
        let libraries: Vec<&str> = libraries.filter_map(|line| line.split(['[', ']']).nth(1)).collect();
        assert!(
            libraries.iter().all(|library| SYSTEM_LIBRARIES.contains(library)),
            "{program}: {libraries:?}"
        );
        assert!(dynamic.contains("PIE"), "{program} lies at a place that everybody knows: {dynamic}");
    }
}

#[test]
fn versions_are_read_from_what_readelf_prints() {
    let listed =
        "  0x0010:   Name: GLIBC_2.28  Flags: none  Version: 7\n  0x0020:   Name: GLIBC_2.2.5  Flags: none\n";
    assert_eq!(versions(listed), BTreeSet::from([(2, 2), (2, 28)]));
    assert!(versions("GLIBC_PRIVATE GCC_3.0").is_empty());
}

#[test]
fn the_programs_are_stripped_and_know_no_folder_of_their_builder() {
    let (_dir, usr) = unpacked();
    let home = std::env::var("HOME").unwrap();
    let foreign =
        [format!("{home}/.cargo"), format!("{home}/.rustup"), format!("{}/src", crate::root().display())];
    for program in PROGRAMS {
        let bytes = fs::read(usr.join(program)).unwrap();
        let sections = here("readelf", &["--sections", "--wide", usr.join(program).to_str().unwrap()]);
        assert!(
            !sections.contains(".symtab") && !sections.contains(".debug_info"),
            "{program} is not stripped"
        );
        for folder in &foreign {
            let found = bytes.windows(folder.len()).any(|window| window == folder.as_bytes());
            assert!(!found, "{program} has {folder} in it");
        }
    }
}

#[test]
fn every_file_has_its_checksum() {
    let listed = fs::read_to_string(crate::dist().join("SHA256SUMS")).expect("make dist");
    here(
        "sh",
        &["-c", &format!("cd {} && sha256sum --check --strict --quiet SHA256SUMS", crate::dist().display())],
    );
    let names: BTreeSet<&str> =
        listed.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name).collect();
    for file in ["hero-supervisor_", "hero-supervisor-", "zinit-", "compose.yaml"] {
        assert!(names.iter().any(|name| name.starts_with(file)), "{file}: {names:?}");
    }
}

#[test]
fn the_lists_of_parts_are_whole() {
    let cases = [
        ("hero-supervisor-", ["tonic", "redis", "rhai", "ring"]),
        ("zinit-", ["tokio", "nix", "petgraph", "sysinfo"]),
    ];
    for (start, parts) in cases {
        let text = fs::read_to_string(crate::artefact(start, "-sbom.cdx.json")).unwrap();
        let bom: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(bom["bomFormat"], "CycloneDX");
        let components = bom["components"].as_array().unwrap();
        for part in parts {
            let found = components.iter().find(|component| component["name"] == part);
            let found = found.unwrap_or_else(|| panic!("{start}: no {part}"));
            assert!(found["purl"].as_str().unwrap().starts_with("pkg:cargo/"), "{found}");
            assert!(!found["licenses"].as_array().unwrap().is_empty(), "{found}");
        }
        assert!(!text.contains(crate::root().to_str().unwrap()), "{start} names a folder of its builder");
    }
}

#[test]
fn the_licences_of_others_are_there() {
    let (_dir, usr) = unpacked();
    let file = usr.join("share/doc/hero-supervisor/THIRD-PARTY-LICENSES.txt.gz");
    let text = here("gzip", &["--decompress", "--stdout", file.to_str().unwrap()]);
    for part in ["\n  ring ", "\n  zinit ", "Permission is hereby granted", "Apache License"] {
        assert!(text.contains(part), "{part}");
    }
    assert!(usr.join("../LICENSE").exists());
}
