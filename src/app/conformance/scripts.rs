//! The scripts of the cases, in the language of the actor.

use crate::domain::script_type::ScriptType;

/// One script for each thing that a case needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scripts {
    /// Is 42.
    pub(super) value: &'static str,
    /// Throws an error that says `broken`.
    pub(super) fails: &'static str,
    /// Cannot be parsed.
    pub(super) invalid: &'static str,
    /// Sleeps for as many seconds as stand for `SECONDS`, then is `slept`.
    pub(super) sleeps: &'static str,
    /// Writes `line 1` to `line 3` to standard output and `err 1` to `err 3` to standard error.
    pub(super) writes: &'static str,
    /// Says `begins`, that 40 % are done and `copying`, then sleeps for a minute.
    pub(super) reports: &'static str,
    /// Is the environment variable `GREETING`, a space, CALLER_ID, a slash and CONTEXT_ID.
    pub(super) sees: &'static str,
    /// What makes the rest of a line a comment.
    pub(super) comment: &'static str,
}

const RHAI: Scripts = Scripts {
    value: "40 + 2",
    fails: r#"throw "broken""#,
    invalid: "let x = (1 + ;",
    sleeps: r#"sleep(SECONDS); "slept""#,
    writes: r#"for n in 1..=3 { print("line " + n); eprintln("err " + n); }"#,
    reports: r#"print("begins"); progress(40, "copying"); sleep(60)"#,
    sees: r#"env("GREETING") + " " + CALLER_ID + "/" + CONTEXT_ID"#,
    comment: "//",
};

const PYTHON: Scripts = Scripts {
    value: "40 + 2",
    fails: "raise ValueError('broken')",
    invalid: "x = (1 +",
    sleeps: "import time\ntime.sleep(SECONDS)\n'slept'",
    writes: "import sys\nfor n in (1, 2, 3):\n    print('line', n)\n    print('err', n, file=sys.stderr)\n",
    reports: "import time\nprint('begins', flush=True)\nprogress(40, 'copying')\ntime.sleep(60)",
    sees: "import os\nos.environ['GREETING'] + ' ' + CALLER_ID + '/' + CONTEXT_ID",
    comment: "#",
};

impl Scripts {
    /// The scripts for actors of this type; None where there are none yet.
    pub(super) fn of(script_type: ScriptType) -> Option<Self> {
        match script_type {
            ScriptType::OSIS | ScriptType::SAL => Some(RHAI),
            ScriptType::Python => Some(PYTHON),
            ScriptType::V => None,
        }
    }

    /// One that sleeps.
    pub(super) fn sleeps_for(self, seconds: f64) -> String {
        self.sleeps.replace("SECONDS", &format!("{seconds:.1}"))
    }
}
