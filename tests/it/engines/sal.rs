//! Rhai, as SAL has it: with processes.

use hero_supervisor::domain::model::script_type::ScriptType;

use super::rules::Rule;
use super::{Language, Shown, osis};

pub(super) fn language() -> Language {
    Language {
        script_type: ScriptType::SAL,
        binary: env!("CARGO_BIN_EXE_sal_actor"),
        flags: ["--max-memory=256MiB", "--concurrency=1"].map(str::to_owned).to_vec(),
        script,
        number: |number| number.to_string(),
        numbers: 1000,
        starts_programs: true,
    }
}

fn script(rule: Rule) -> Shown {
    match rule {
        Rule::Cancel => "sh(\"sleep 600\")".into(),
        Rule::Grandchildren => "sh(\"sleep 600 >/dev/null 2>&1 & echo $!\").stdout".into(),
        Rule::Daemon => "sh(\"setsid sleep 600 >/dev/null 2>&1 & echo $!\").stdout".into(),
        Rule::Secrets => {
            "sh(\"env; for p in self $PPID; do tr '\\\\0' ' ' < /proc/$p/environ; tr '\\\\0' ' ' < /proc/$p/cmdline; done\").stdout"
                .into()
        }
        Rule::ForkBomb => Shown::Not("sal_actor bounds memory and time of commands, not their number"),
        Rule::Usage => "sh(`python3 -c \"import time; kept = bytearray(b'x') * 60_000_000; \
             list(iter(lambda: time.process_time() < 0.4, False))\"; true`)"
            .into(),
        Rule::Crash => "sh(\"kill -ABRT $PPID; sleep 600\")".into(),
        Rule::Value
        | Rule::NoValue
        | Rule::Unicode
        | Rule::Order
        | Rule::ErrorPosition
        | Rule::Invalid
        | Rule::ExitCode
        | Rule::Timeout
        | Rule::Output
        | Rule::ResultTooBig
        | Rule::Environment
        | Rule::Input
        | Rule::StackBomb
        | Rule::MemoryBomb => osis::script(rule),
    }
}
