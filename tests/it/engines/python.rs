//! Python.

use hero_supervisor::domain::model::script_type::ScriptType;

use super::rules::Rule;
use super::{Language, Shown};

pub(super) fn language() -> Language {
    Language {
        script_type: ScriptType::Python,
        binary: env!("CARGO_BIN_EXE_python_actor"),
        flags: ["--max-memory=256MiB", "--max-processes=32", "--concurrency=1"].map(str::to_owned).to_vec(),
        script,
        number: |number| number.to_string(),
        numbers: 1000,
        starts_programs: false,
    }
}

/// The same with one process for all jobs of a host.
pub(super) fn shared() -> Language {
    let mut language = language();
    language.flags.push("--isolation=host".to_owned());
    language
}

fn script(rule: Rule) -> Shown {
    match rule {
        Rule::Value => "{'answer': 40 + 2}".into(),
        Rule::NoValue => "print('seen')".into(),
        Rule::Unicode => "'grüße, 世界 🦀'".into(),
        Rule::Order => {
            "import sys\nfor i in range(5):\n    print('out', i)\n    print('err', i, file=sys.stderr)\n\
             raise SystemExit(3)"
                .into()
        }
        Rule::ErrorPosition => "x = 1\n  \nx.no_such_thing()\n".into(),
        Rule::Invalid => "x = 1\ny = = 2\n".into(),
        Rule::ExitCode => "import sys\nsys.exit(7)".into(),
        Rule::Timeout => "while True: pass".into(),
        Rule::Cancel => "import time\ntime.sleep(600)".into(),
        Rule::Grandchildren => "import subprocess\nsubprocess.Popen(['sleep', '600']).pid".into(),
        Rule::Daemon => "import subprocess, time, os\n\
             subprocess.run(['sh', '-c', 'setsid sh -c \"echo \\\\$\\\\$ > pid; exec sleep 600\" &'])\n\
             while not (os.path.exists('pid') and open('pid').read().strip()): time.sleep(0.01)\n\
             int(open('pid').read())"
            .into(),
        Rule::Output => "for i in range(10000): print('x' * 999)\nprint('end')".into(),
        Rule::ResultTooBig => "'x' * (2 << 20)".into(),
        Rule::Environment => "import os\n'|'.join([os.environ['GREETING'], CALLER_ID, CONTEXT_ID, \
             os.environ['HERO_JOB_ID'], os.environ['HERO_ACTOR_ID']])"
            .into(),
        Rule::Input => "def all(): return [INPUT['name'], INPUT['list'][1], str(INPUT['deep']['ok']).lower(), len(INPUT['pad'])]\n\
             '|'.join(str(one) for one in all())"
            .into(),
        Rule::Secrets => "import os, glob\nseen = []\n\
             for path in ['/proc/self/environ', f'/proc/{os.getppid()}/environ', '/proc/self/cmdline']:\n    \
                 seen.append(open(path).read())\n\
             str(dict(os.environ)) + repr(seen)"
            .into(),
        Rule::StackBomb => "def f(x): return f(x + 1)\nf(0)".into(),
        Rule::MemoryBomb => "keep = []\nwhile True: keep.append('x' * (1 << 20))".into(),
        Rule::ForkBomb => "import os, time\nwhile True:\n    os.fork()\n    time.sleep(0.05)".into(),
        Rule::Usage => "import time; kept = bytearray(b'x') * 60_000_000\nwhile time.process_time() < 0.4: pass".into(),
        Rule::Crash => "import ctypes\nctypes.string_at(0)".into(),
    }
}
