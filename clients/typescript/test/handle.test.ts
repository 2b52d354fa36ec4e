import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { JobFailed, Job_State, ScriptType, connect, type SupervisorClient } from "../src/index.js";
import { Fake } from "./fake.js";

const fake = new Fake();
let client: SupervisorClient;

before(async () => void (client = connect(await fake.listen())));
after(() => fake.close());

test("a handle has the result of its job", async () => {
  const handle = await client.submit(ScriptType.OSIS, "42", { jobId: "answer" });
  assert.equal(handle.jobId, "answer");
  assert.equal(await handle.result(), "42");
  assert.equal((await handle.get()).spec?.script, "42");
});

test("a job that failed says where", async () => {
  const handle = await client.submit(ScriptType.OSIS, "throw", { jobId: "failed" });
  await assert.rejects(handle.result(), (error) => {
    assert.ok(error instanceof JobFailed);
    assert.equal(error.message, "job failed failed (SCRIPT_ERROR): boom (line 2, column 1)");
    return true;
  });
});

test("a job is cancelled by its handle, whoever has submitted it", async () => {
  await client.submit(ScriptType.OSIS, "wait", { jobId: "long" });
  const handle = client.job("long");
  const end = handle.await();
  assert.equal((await handle.cancel("enough")).state, Job_State.CANCELLED);
  assert.equal((await end).cancelReason, "enough");
});

test("a job is followed to its end through a lost connection", async () => {
  const handle = await client.submit(ScriptType.OSIS, "1");
  const lines: string[] = [];
  for await (const { text } of handle.logs()) lines.push(text);
  assert.deepEqual(lines, ["one", "two behind 2"]);
  const states: Job_State[] = [];
  for await (const { item } of handle.watch({ includeLogs: false })) if (item.case === "job") states.push(item.value.state);
  assert.deepEqual(states, [Job_State.RUNNING, Job_State.SUCCEEDED]);
});

test("the lines of an actor go on behind the last one", async () => {
  const lines: string[] = [];
  for await (const { text } of client.actorLogs("a", { follow: true })) {
    if (lines.push(text) === 2) break;
  }
  assert.deepEqual(lines, ["first", "behind 1"]);
  const once = client.actorLogs("a");
  await once.next();
  await assert.rejects(once.next(), /the line is cut/);
});

test("good jobs of many are accepted whatever the others are, in as many calls as they need", async () => {
  const count = fake.jobs.size;
  const scripts = Array.from({ length: 1500 }, (_, n) => (n === 1200 ? "" : String(n)));
  const submitted = await client.submitMany(scripts.map((script) => ({ scriptType: ScriptType.OSIS, script })));
  assert.equal(submitted.length, 1500);
  assert.equal(fake.jobs.size, count + 1499);
  assert.equal(submitted[1200]?.error?.reason, "INVALID_FIELD");
  assert.equal(submitted[1200]?.error?.code, "INVALID_ARGUMENT");
  assert.equal(await submitted[1499]?.handle?.result(), "1499");
});

test("a call of many that fails does not take away the handles of those before", async () => {
  const job = (n: number): object => ({ script: n === 1000 ? "break" : String(n), requestId: `id-${n}` });
  const jobs = Array.from({ length: 1001 }, (_, n) => ({ scriptType: ScriptType.OSIS, script: "", ...job(n) }));
  const submitted = await client.submitMany(jobs);
  assert.equal(await submitted[999]?.handle?.result(), "999");
  assert.deepEqual([submitted[1000]?.error?.message, submitted[1000]?.error?.metadata["request_id"]], ["it is broken", "id-1000"]);
  await assert.rejects(client.submitMany(jobs.slice(1000)), /it is broken/);
});

test("a list is read over all its pages", async () => {
  const ids = new Set<string>();
  for await (const job of client.listJobs()) ids.add(job.jobId);
  assert.equal(ids.size, fake.jobs.size);
});

test("actors are scaled", async () => {
  const { addedActorIds } = await client.scale(ScriptType.OSIS, 2, { timeoutMs: 1000 });
  assert.deepEqual(addedActorIds, ["osis_actor_0", "osis_actor_1"]);
});
