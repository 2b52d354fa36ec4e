/** Work and faults to look at: jobs that succeed, fail, wait and retry, an actor that crashes, texts that are nasty. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./server.mjs";

/** Texts that have broken pages before. Arguments of programs have no NUL; scripts make it themselves. */
export const NASTY = [
  "<script>alert(1)</script>", "<img src=x onerror=alert(2)>", "\u001b[31mred\u001b[0m", "\u202eevil\u202c", "'\"><svg onload=alert(3)>", "👩‍👩‍👧‍👦 é ü", "{{7*7}}",
];

export async function faults(server) {
  const submit = (...args) => server.json("job", "submit", ...args).then((answer) => answer.job?.jobId ?? answer.jobId);
  const made = {};
  await server.cli("job", "run", "--caller", "billing", "--label", "team=blue", 'let total = 0; for n in 1..5 { print("adding " + n); total += n; } total');
  made.tree = await submit("--type", "python", "--caller", "reports", "--label", "team=green",
    'import json\nprint("rows", 3)\nresult = {"rows": [1, 2, 3], "ok": True, "name": "monthly"}\nprint(json.dumps(result))');
  made.failed = await submit("--type", "python", "--caller", "import", "--label", "team=blue",
    'rows = [1, 2, 0]\nfor row in rows:\n    print("reading", row, flush=True)\n    print(10 / row)\n');
  for (let n = 0; n < 3; n += 1) await submit("--type", "osis", "--caller", "import", `let record = #{id: ${n}};\nthrow "record ${n} has no owner"`);
  made.retried = await submit("--type", "osis", "--max-attempts", "3", "--label", "team=blue", 'throw "the first tries fail"');
  made.nasty = [];
  for (const text of NASTY) {
    const script = join(server.dir, "nasty.py");
    writeFileSync(script, `text = ${JSON.stringify(text)}\nprint(text + "\\x00", flush=True)\nraise ValueError(text)\n`);
    // The server refuses names that do not show what they are; scripts, errors and logs may be anything.
    const seen = text.replace(/[\u0000-\u001f\u202a-\u202e\u200d]/g, "");
    made.nasty.push(await submit("-f", script, "--caller", seen, "--label", `note=${seen}`));
  }
  made.results = [];
  for (const text of NASTY) {
    const script = join(server.dir, "result.py");
    writeFileSync(script, `text = ${JSON.stringify(text)}\nprogress(50, text + "\\x00")\nresult = {text: [text, text + "\\x00"]}\n`);
    made.results.push(await submit("-f", script));
  }
  // One line of a mebibyte in the log, and one as the result.
  const long = join(server.dir, "long.py");
  writeFileSync(long, `print("<b>" + "x" * ((1 << 20) - 10) + "</b>", flush=True)\nresult = "<i>" + "y" * ((1 << 20) - 100) + "</i>"\n`);
  made.results.push(await submit("-f", long));
  made.waiting = await submit("--type", "v", "--label", "team=red", "fn main() { println('nobody runs this') }");
  await server.tries("actor", "create", "crashy", "--type", "sal", "--binary", "/bin/sleep", "--readiness", "process",
    "--max-restarts", "1", "--initial-backoff", "100ms", "--max-backoff", "100ms", "--", "0.5");
  made.slow = await submit("--type", "python", "--run-timeout", "10m", 'import time\nfor n in range(600):\n    print("step", n, flush=True)\n    time.sleep(0.5)\n');
  await nastyActors(server);
  const has = (id, state) => async () => JSON.stringify(await server.json("job", "get", id)).includes(state);
  await until("the jobs have failed", has(made.nasty.at(-1), "STATE_FAILED"));
  await until("the jobs have results", has(made.results.at(-1), "STATE_SUCCEEDED"));
  return made;
}

/** Actors that write, end, are checked and are defined with nasty texts. */
async function nastyActors(server) {
  const writer = join(server.dir, "writer.py");
  const lines = JSON.stringify(NASTY).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  writeFileSync(writer, `#!/usr/bin/env python3
import json, sys, time
lines = json.loads(r"""${lines}""")
if sys.argv[1] == "write":
    print("<b>" + "x" * (1 << 20) + "</b>")
    sys.stderr.write(lines[0] + "\\n")
for line in lines:
    print(line + "\\0")
sys.stdout.buffer.write(b"\\xff\\xfe no text\\n")
for line in lines[-3:]:
    print(line, flush=True)
time.sleep(1000 if sys.argv[1] == "write" else 0.5)
sys.exit(3)
`, { mode: 0o755 });
  const create = (id, ...args) => server.tries("actor", "create", id, "--type", "sal", "--readiness", "process", ...args);
  const sick = join(server.dir, "check.sh");
  writeFileSync(sick, "#!/bin/sh\necho '<svg onload=alert(5)>'\nexit 1\n", { mode: 0o755 });
  await Promise.all([
    create("nasty-writer", "--binary", writer, "--label", "note=<b>", "--", "write", "<img src=x onerror=alert(4)>"),
    create("nasty-ender", "--binary", writer, "--max-restarts", "1", "--initial-backoff", "100ms", "--max-backoff", "100ms", "--", "end"),
    create("nasty-check", "--binary", "/bin/sleep", "--health-check", sick, "--start-timeout", "3s", "--", "1000"),
  ]);
}
