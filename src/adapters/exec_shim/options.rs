//! The words before the program: how they are written and how they are read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::model::confinement::{Confinement, ResourceLimits, RunAs};

const KNOWN: &str = "--pdeathsig, --parent PID, --user U, --group G, --groups G,G, --memory BYTES, --files N, \
                     --cpu SECONDS, --processes N, --core BYTES, --env-file NAME=PATH, --no-new-privs, --utf8-output, --sha256 HEX and --";

/// The word that asks for a filter between the program and whoever reads its output as UTF-8.
pub const UTF8_OUTPUT: &str = "--utf8-output";

/// The words that ask for variables from files.
pub fn env_words(env_from_file: &BTreeMap<String, PathBuf>) -> Vec<String> {
    let word =
        |(name, path): (&String, &PathBuf)| ["--env-file".to_owned(), format!("{name}={}", path.display())];
    env_from_file.iter().flat_map(word).collect()
}

/// The words that ask for this; without the program, its digest included, and without `--`.
pub fn words(confinement: &Confinement, sha256: Option<&str>) -> Vec<String> {
    let Confinement { run_as, limits, no_new_privileges, die_with_manager } = confinement;
    let mut words = Vec::new();
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([name.to_owned(), value]);
        }
    };
    if let Some(RunAs { user, group, supplementary_groups }) = run_as {
        say("--user", Some(user.clone()));
        say("--group", group.clone());
        say("--groups", (!supplementary_groups.is_empty()).then(|| supplementary_groups.join(",")));
    }
    let ResourceLimits { memory_bytes, open_files, cpu_time, processes, core_bytes } = limits;
    say("--memory", memory_bytes.map(|bytes| bytes.to_string()));
    say("--files", open_files.map(|files| files.to_string()));
    say("--cpu", cpu_time.map(|time| time.as_secs().to_string()));
    say("--processes", processes.map(|processes| processes.to_string()));
    say("--core", core_bytes.map(|bytes| bytes.to_string()));
    say("--sha256", sha256.map(str::to_ascii_lowercase));
    if *no_new_privileges {
        words.push("--no-new-privs".to_owned());
    }
    if *die_with_manager {
        words.push("--pdeathsig".to_owned());
    }
    words
}

/// The options and the program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    /// Die with the parent.
    pub(super) pdeathsig: bool,
    /// Pid of the expected parent; another one means that the parent is dead already.
    pub(super) parent: Option<i32>,
    pub(super) run_as: Option<RunAs>,
    pub(super) memory: Option<u64>,
    pub(super) files: Option<u64>,
    pub(super) cpu: Option<u64>,
    pub(super) processes: Option<u64>,
    pub(super) core: Option<u64>,
    pub(super) no_new_privs: bool,
    /// Replace what is not UTF-8 in its output.
    pub(super) utf8_output: bool,
    /// Variables whose values are in files.
    pub(super) env_files: Vec<(String, PathBuf)>,
    /// The SHA-256 of the program, in lower case.
    pub(super) sha256: Option<String>,
    /// The program and its arguments.
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
}

impl Request {
    /// Reads the words.
    pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> io::Result<Self> {
        let mut request = Self::default();
        let mut args = args.into_iter();
        loop {
            let Some(word) = args.next() else {
                return Err(wrong("no program: put it after --".to_owned()));
            };
            let name = word.to_str().unwrap_or_default();
            match name {
                "--" => break,
                "--pdeathsig" => request.pdeathsig = true,
                "--no-new-privs" => request.no_new_privs = true,
                UTF8_OUTPUT => request.utf8_output = true,
                "--parent" => request.parent = Some(number(name, "a pid", args.next())?),
                "--memory" => request.memory = Some(number(name, "a number of bytes", args.next())?),
                "--files" => request.files = Some(number(name, "a number", args.next())?),
                "--cpu" => request.cpu = Some(number(name, "a number of seconds", args.next())?),
                "--processes" => request.processes = Some(number(name, "a number", args.next())?),
                "--core" => request.core = Some(number(name, "a number of bytes", args.next())?),
                "--env-file" => {
                    let given = text(name, args.next())?;
                    let split = given
                        .split_once('=')
                        .filter(|(name, path)| !name.is_empty() && Path::new(path).is_absolute());
                    let (variable, path) = split.ok_or_else(|| wrong(format!("{name} needs NAME=PATH")))?;
                    request.env_files.push((variable.to_owned(), PathBuf::from(path)));
                }
                "--sha256" => request.sha256 = Some(text(name, args.next())?.to_ascii_lowercase()),
                "--user" => request.identity().user = text(name, args.next())?,
                "--group" => request.identity().group = Some(text(name, args.next())?),
                "--groups" => {
                    let groups = text(name, args.next())?;
                    request.identity().supplementary_groups = groups.split(',').map(str::to_owned).collect();
                }
                _unknown => return Err(wrong(format!("unknown word {word:?}: use {KNOWN}"))),
            }
        }
        if request.run_as.as_ref().is_some_and(|run_as| run_as.user.is_empty()) {
            return Err(wrong("--group and --groups need --user".to_owned()));
        }
        request.program = args.next().ok_or_else(|| wrong("no program after --".to_owned()))?;
        request.args = args.collect();
        Ok(request)
    }

    fn identity(&mut self) -> &mut RunAs {
        self.run_as.get_or_insert_default()
    }
}

fn text(name: &str, word: Option<OsString>) -> io::Result<String> {
    let text = word.and_then(|word| word.into_string().ok()).filter(|text| !text.is_empty());
    text.ok_or_else(|| wrong(format!("{name} needs a word after it")))
}

pub(super) fn number<N: std::str::FromStr>(name: &str, what: &str, word: Option<OsString>) -> io::Result<N> {
    let number = word.and_then(|word| word.to_str()?.parse().ok());
    number.ok_or_else(|| wrong(format!("{name} needs {what}")))
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parsed(words: &[&str]) -> Result<Request, String> {
        Request::parse(words.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn words_before_the_dashes_are_ours_and_all_after_them_the_programs() {
        let request = parsed(&[
            "--pdeathsig",
            "--utf8-output",
            "--parent",
            "7",
            "--",
            "/bin/a",
            "--pdeathsig",
            "--",
            "",
        ])
        .unwrap();
        assert_eq!((request.pdeathsig, request.utf8_output, request.parent), (true, true, Some(7)));
        assert_eq!((request.program, request.args.len()), (OsString::from("/bin/a"), 3));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, fault) in [
            (&["--"][..], "no program after --"),
            (&[], "no program: put it after --"),
            (&["--parent", "x", "--", "a"], "--parent needs a pid"),
            (&["--memory", "-1", "--", "a"], "--memory needs a number of bytes"),
            (&["--env-file", "A=b", "--", "a"], "--env-file needs NAME=PATH"),
            (&["--user"], "--user needs a word after it"),
            (&["--group", "g", "--", "a"], "--group and --groups need --user"),
        ] {
            assert_eq!(parsed(words).unwrap_err(), fault);
        }
        assert!(parsed(&["sleep"]).unwrap_err().starts_with("unknown word \"sleep\": use --pdeathsig"));
    }

    #[test]
    fn all_that_is_asked_for_arrives() {
        let confinement = Confinement {
            run_as: Some(RunAs {
                user: "hero".to_owned(),
                group: Some("7".to_owned()),
                supplementary_groups: vec!["a".to_owned(), "8".to_owned()],
            }),
            limits: ResourceLimits {
                memory_bytes: Some(1 << 30),
                open_files: Some(64),
                cpu_time: Some(Duration::from_secs(9)),
                processes: Some(10),
                core_bytes: Some(0),
            },
            no_new_privileges: true,
            die_with_manager: true,
        };
        let mut words: Vec<OsString> =
            words(&confinement, Some("AB")).into_iter().map(OsString::from).collect();
        let files = BTreeMap::from([("A".to_owned(), PathBuf::from("/run/a=b"))]);
        words.extend(env_words(&files).into_iter().map(OsString::from));
        words.extend(["--", "/bin/a"].map(OsString::from));
        let expected = Request {
            pdeathsig: true,
            parent: None,
            run_as: confinement.run_as,
            memory: Some(1 << 30),
            files: Some(64),
            cpu: Some(9),
            processes: Some(10),
            core: Some(0),
            no_new_privs: true,
            utf8_output: false,
            env_files: vec![("A".to_owned(), "/run/a=b".into())],
            sha256: Some("ab".to_owned()),
            program: "/bin/a".into(),
            args: Vec::new(),
        };
        assert_eq!(Request::parse(words).unwrap(), expected);
        assert!(super::words(&Confinement::default(), None).is_empty());
    }
}
