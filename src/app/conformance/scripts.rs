//! The scripts of the cases, in the language of the actor.

use std::path::Path;

use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Deserialize;

use crate::domain::model::script_type::ScriptType;

/// One script for each need of the cases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scripts {
    /// Has the result 42.
    pub(super) value: String,
    /// Throws an error with the message `broken`.
    pub(super) fails: String,
    /// Cannot be parsed.
    pub(super) invalid: String,
    /// Sleeps for the number of seconds that replaces `SECONDS`. Has the result `slept`.
    pub(super) sleeps: String,
    /// Writes `line 1` to `line 3` to standard output and `err 1` to `err 3` to standard error.
    pub(super) writes: String,
    /// Reports `begins` and 40 % with `copying`, then sleeps for a minute. None where scripts cannot report progress.
    pub(super) reports: Option<String>,
    /// Has as its result the environment variable `GREETING`, a space, CALLER_ID, a slash and CONTEXT_ID.
    pub(super) sees: String,
    /// The text that begins a comment.
    pub(super) comment: String,
}

fn rhai() -> Scripts {
    Scripts {
        value: "40 + 2".to_owned(),
        fails: r#"throw "broken""#.to_owned(),
        invalid: "let x = (1 + ;".to_owned(),
        sleeps: r#"sleep(SECONDS); "slept""#.to_owned(),
        writes: r#"for n in 1..=3 { print("line " + n); eprintln("err " + n); }"#.to_owned(),
        reports: Some(r#"print("begins"); progress(40, "copying"); sleep(60)"#.to_owned()),
        sees: r#"env("GREETING") + " " + CALLER_ID + "/" + CONTEXT_ID"#.to_owned(),
        comment: "//".to_owned(),
    }
}

fn python() -> Scripts {
    Scripts {
        value: "40 + 2".to_owned(),
        fails: "raise ValueError('broken')".to_owned(),
        invalid: "x = (1 +".to_owned(),
        sleeps: "import time\ntime.sleep(SECONDS)\n'slept'".to_owned(),
        writes:
            "import sys\nfor n in (1, 2, 3):\n    print('line', n)\n    print('err', n, file=sys.stderr)\n"
                .to_owned(),
        reports: Some(
            "import time\nprint('begins', flush=True)\nprogress(40, 'copying')\ntime.sleep(60)".to_owned(),
        ),
        sees: "import os\nos.environ['GREETING'] + ' ' + CALLER_ID + '/' + CONTEXT_ID".to_owned(),
        comment: "#".to_owned(),
    }
}

impl Scripts {
    /// Returns the scripts for actors of a type; None if there are none.
    pub(super) fn of(script_type: ScriptType) -> Option<Self> {
        match script_type {
            ScriptType::OSIS | ScriptType::SAL => Some(rhai()),
            ScriptType::Python => Some(python()),
            ScriptType::V => None,
        }
    }

    /// Reads the scripts of a TOML file.
    ///
    /// # Errors
    /// Every fault of the file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let read: Result<Self, _> = Figment::from(Toml::file_exact(path)).extract();
        read.map_err(|error| format!("--scripts {}: {error}", path.display()))
    }

    /// Returns the script that sleeps for this number of seconds.
    pub(super) fn sleeps_for(&self, seconds: f64) -> String {
        self.sleeps.replace("SECONDS", &format!("{seconds:.1}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_have_all_that_the_cases_need() {
        for file in ["shell_scripts.toml", "v_scripts.toml"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/actors").join(file);
            let scripts = Scripts::read(&path).unwrap();
            assert!(scripts.sleeps.contains("SECONDS") && scripts.fails.contains("broken"), "{file}");
        }
    }
}
