//! V, as far as it can be shown without its compiler: a stand-in makes programs that run shell scripts, everything around it
//! is real.

use std::path::Path;

use hero_supervisor::domain::model::script_type::ScriptType;

use super::rules::Rule;
use super::{Language, Shown};
use crate::v_actor::stand_in::install;

/// With a stand-in in this folder.
pub(super) fn language(folder: &Path) -> Language {
    let program = install(folder);
    let flags = [
        format!("--v-bin={}", program.display()),
        format!("--cache-dir={}", folder.join("cache").display()),
        "--max-processes=32".to_owned(),
        "--concurrency=1".to_owned(),
    ];
    Language {
        script_type: ScriptType::V,
        binary: env!("CARGO_BIN_EXE_v_actor"),
        flags: flags.to_vec(),
        script,
        number: |number| sh(&format!("echo {number}")),
        numbers: 20,
        starts_programs: true,
    }
}

fn sh(script: &str) -> String {
    format!("#!/bin/sh\n{script}\n")
}

fn script(rule: Rule) -> Shown {
    let script = match rule {
        Rule::Value => r#"echo '{"answer": 42}' > "$HERO_RESULT_FILE""#,
        Rule::NoValue => "echo seen",
        Rule::Unicode => r#"echo '"grüße, 世界 🦀"' > "$HERO_RESULT_FILE""#,
        Rule::Order => {
            "for i in 0 1 2 3 4; do echo out $i; sleep 0.1; echo err $i >&2; sleep 0.1; done; exit 3"
        }
        Rule::ErrorPosition => return Shown::Not("a program that was compiled without -g knows no lines"),
        Rule::Invalid => return "x\ny = SYNTAX".into(),
        Rule::ExitCode => "exit 7",
        Rule::Timeout => "while :; do :; done",
        Rule::Cancel => "sleep 600",
        Rule::Grandchildren => "sleep 600 >/dev/null 2>&1 & echo $!",
        Rule::Daemon => {
            "setsid sh -c 'echo $$ > pid; exec sleep 600' >/dev/null 2>&1 &\n\
             while ! [ -s pid ]; do sleep 0.01; done\ncat pid"
        }
        Rule::Output => "line=$(head -c 999 /dev/zero | tr '\\0' x); yes $line | head -n 10000; echo end",
        Rule::ResultTooBig => {
            "{ printf '\"'; head -c 2097152 /dev/zero | tr '\\0' x; printf '\"'; } > \"$HERO_RESULT_FILE\""
        }
        Rule::Environment => r#"echo "$GREETING|$CALLER_ID|$CONTEXT_ID|$HERO_JOB_ID|$HERO_ACTOR_ID""#,
        Rule::Input => {
            "python3 -c 'import json, os\nwith open(os.environ[\"HERO_INPUT_FILE\"]) as file: i = json.load(file)\n\
             print(i[\"name\"], i[\"list\"][1], str(i[\"deep\"][\"ok\"]).lower(), len(i[\"pad\"]), sep=\"|\")'"
        }
        Rule::Secrets => {
            "env; for p in self $PPID; do tr '\\0' ' ' < /proc/$p/environ; tr '\\0' ' ' < /proc/$p/cmdline; done"
        }
        Rule::StackBomb => return Shown::Not("the shells of the stand-in count their depth; see Crash"),
        Rule::MemoryBomb => return Shown::Not("a program that gets no more memory ends in its own words"),
        Rule::ForkBomb => "while :; do sleep 600 & done",
        Rule::Usage => {
            "python3 -c \"import time; kept = bytearray(b'x') * 60_000_000\nwhile time.process_time() < 0.4: pass\"; true"
        }
        Rule::Crash => "kill -SEGV $$",
    };
    Shown::By(sh(script))
}
