import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { test } from "node:test";

import { AbortError, ScriptType, SupervisorError, connect } from "../src/index.js";
import { Fake } from "./fake.js";

const NOBODY = "127.0.0.1:1";

async function refusal(wait: Promise<unknown>): Promise<SupervisorError> {
  const error = await wait.then(() => assert.fail("there is no server"), (error: unknown) => error);
  assert.ok(error instanceof SupervisorError, String(error));
  return error;
}

test("without a server, nothing is said of a job that goes on", async () => {
  const lines: string[] = [];
  const client = connect(NOBODY, { log: (line) => lines.push(line) });
  for (const wait of [client.run(ScriptType.OSIS, "1", { timeoutMs: 1500 }), client.submit(ScriptType.OSIS, "1", { timeoutMs: 1500 })]) {
    const error = await refusal(wait);
    assert.equal(error.code, "DEADLINE_EXCEEDED");
    assert.equal(error.reason, "NO_SERVER");
    assert.equal(error.message, "no server answered at 127.0.0.1:1 within 1.5 s: connect ECONNREFUSED 127.0.0.1:1; nothing is known of a job");
    assert.equal((error.cause as SupervisorError).code, "UNAVAILABLE");
    assert.ok(error.metadata["request_id"]);
  }
  const line = "hero-supervisor: no answer at 127.0.0.1:1, trying again (3 failures): connect ECONNREFUSED 127.0.0.1:1";
  assert.deepEqual(lines, [line, line]);
});

test("a wait that fails fast fails at once", async () => {
  const quick = await refusal(connect(NOBODY, { failFast: true }).run(ScriptType.OSIS, "1"));
  assert.equal(quick.message, "no server answers at 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1; nothing is known of a job");
  assert.deepEqual([quick.code, quick.reason], ["UNAVAILABLE", "NO_SERVER"]);
  const job = await refusal(connect(NOBODY).await("j", { failFast: true }));
  assert.match(job.message, /; nothing is known of job j$/);
});

test("what is no supervisor is no server", async () => {
  const other = createServer((socket) => socket.on("data", () => socket.write("-ERR unknown command\r\n")).on("error", () => {}));
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo;
  try {
    const error = await refusal(connect(`127.0.0.1:${port}`, { failFast: true }).run(ScriptType.OSIS, "1"));
    assert.equal(error.reason, "NO_SERVER");
    assert.match(error.message, /: Protocol error \(what listens there does not speak gRPC\); nothing is known of a job$/);
  } finally {
    other.close();
  }
});

test("who gives up gets an AbortError", async () => {
  const away = await refusal(connect(NOBODY).run(ScriptType.OSIS, "1", { signal: AbortSignal.timeout(300) }));
  assert.equal(away.name, "AbortError");
  assert.deepEqual([away.code, away.reason], ["CANCELLED", "NO_SERVER"]);
  assert.match(away.message, /^no server answered at 127.0.0.1:1 within \d+ ms: connect ECONNREFUSED/);

  const fake = new Fake();
  const client = connect(await fake.listen());
  try {
    const run = await refusal(client.run(ScriptType.OSIS, "wait", { jobId: "j", signal: AbortSignal.timeout(300) }));
    assert.ok(run instanceof AbortError);
    assert.equal(run.message, "the wait was given up; the job goes on, await it by its id");
    assert.equal(run.metadata["job_id"], "j");
    const late = await refusal(client.run(ScriptType.OSIS, "wait", { jobId: "k", timeoutMs: 300 }));
    assert.deepEqual([late.name, late.reason, late.metadata["job_id"]], ["SupervisorError", "WAIT_OVER", "k"]);
    const before = await refusal(client.run(ScriptType.OSIS, "1", { signal: AbortSignal.abort() }));
    assert.deepEqual([before.name, before.message], ["AbortError", "the wait was over before a call was made; nothing is known of a job"]);
  } finally {
    fake.close();
  }
  const watch = await refusal(client.watchEvents({}, { signal: AbortSignal.abort() }).next());
  assert.equal(watch.name, "AbortError");
});
