//! Rhai, as OSIS has it.

use hero_supervisor::domain::model::script_type::ScriptType;

use super::rules::{Rule, SPAWNS_NOTHING};
use super::{Language, Shown};

pub(super) fn language() -> Language {
    Language {
        script_type: ScriptType::OSIS,
        binary: env!("CARGO_BIN_EXE_osis_actor"),
        flags: vec!["--max-memory=256MiB".to_owned()],
        script,
        number: |number| number.to_string(),
        numbers: 1000,
        starts_programs: false,
    }
}

pub(super) fn script(rule: Rule) -> Shown {
    match rule {
        Rule::Value => "#{answer: 40 + 2}".into(),
        Rule::NoValue => "println!(\"seen\");".into(),
        Rule::Unicode => "\"grüße, 世界 🦀\"".into(),
        Rule::Order => "for i in 0..5 { println!(\"out \" + i); eprintln!(\"err \" + i); } throw \"end\"".into(),
        Rule::ErrorPosition => "let x = 1;\n  x.no_such_thing()".into(),
        Rule::Invalid => "let x = 1;\nlet = 2;".into(),
        Rule::ExitCode => Shown::Not("a script in Rhai is no process: it throws, it has no exit code"),
        Rule::Timeout => "loop {}".into(),
        Rule::Cancel => "sleep(600)".into(),
        Rule::Grandchildren | Rule::Daemon | Rule::ForkBomb => Shown::Not(SPAWNS_NOTHING),
        Rule::Output => "let l = \"\"; l.pad(999, 'x'); for i in 0..10000 { print(l); } print(\"end\");".into(),
        Rule::ResultTooBig => "let s = \"x\"; for i in 0..21 { s += s; } s".into(),
        Rule::Environment => "env(\"GREETING\") + \"|\" + CALLER_ID + \"|\" + CONTEXT_ID + \"|\" + env(\"HERO_JOB_ID\") + \"|\" + \
             env(\"HERO_ACTOR_ID\")"
            .into(),
        Rule::Input => "fn all() { `${INPUT.name}|${INPUT.list[1]}|${INPUT.deep.ok}|${INPUT.pad.len}` } all()".into(),
        Rule::Secrets => "let all = \"\"; for name in ENV.keys() { all += name + \"=\" + ENV[name] + \"\\n\"; } all".into(),
        Rule::StackBomb => "fn f(x) { f(x + 1) } f(0)".into(),
        Rule::MemoryBomb => {
            let strings: String = (0..60).map(|i| format!("let s{i} = s + \"{i}\";\n")).collect();
            format!("let s = \"x\"; for i in 0..23 {{ s += s; }}\n{strings}").into()
        }
        Rule::Usage => {
            let strings: String = (0..52).map(|i| format!("let s{i} = s + \"{i}\";\n")).collect();
            let busy = "let begun = timestamp(); while begun.elapsed < 3.0 {}";
            format!("let s = \"x\"; for i in 0..20 {{ s += s; }}\n{strings}{busy}").into()
        }
        Rule::Crash => Shown::Not("no function that Rhai has ends its process; MemoryBomb does"),
    }
}
