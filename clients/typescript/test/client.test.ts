import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mock, test } from "node:test";

import { at } from "../src/backoff.js";
import { ScriptType, SupervisorError, VERSION, connect } from "../src/index.js";

const near = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

test("the version is that of the server", () => {
  const server = /^version = "(.*)"/m.exec(near("../../Cargo.toml"))?.[1];
  assert.equal(VERSION, server);
  assert.equal((JSON.parse(near("package.json")) as { version: string }).version, server);
});

test("a server that is away is waited for until time is up", async () => {
  const run = connect("127.0.0.1:1").run(ScriptType.OSIS, "1", { timeoutMs: 300 });
  await assert.rejects(run, (error) => {
    assert.ok(error instanceof SupervisorError);
    assert.equal(error.code, "DEADLINE_EXCEEDED");
    assert.ok(error.metadata["request_id"]);
    return true;
  });
});

test("a lost answer is asked for again, and a full Redis is not", () => {
  assert.ok(new SupervisorError("DEADLINE_EXCEEDED", "TIMED_OUT", "").lost);
  assert.ok(new SupervisorError("UNAVAILABLE", "REDIS_READ_ONLY", "").lost);
  assert.ok(!new SupervisorError("RESOURCE_EXHAUSTED", "REDIS_FULL", "").lost);
});

test("a wait may be longer than a timer", async () => {
  const controller = new AbortController();
  const run = connect("127.0.0.1:1").run(ScriptType.OSIS, "1", { timeoutMs: 2 ** 31, signal: controller.signal });
  setTimeout(() => controller.abort(), 200);
  await assert.rejects(run, (error) => error instanceof SupervisorError && error.code === "CANCELLED");
});

test("a time that is further away than a timer reaches comes once, unless it is taken back", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const DAY = 86_400_000;
    let times = 0;
    at(Date.now() + 60 * DAY, () => times++);
    at(Date.now() + 60 * DAY, () => assert.fail("it was taken back"))();
    for (let day = 1; day < 60; day++) mock.timers.tick(DAY);
    assert.equal(times, 0);
    for (let day = 60; day < 100; day++) mock.timers.tick(DAY);
    assert.equal(times, 1);
  } finally {
    mock.timers.reset();
  }
});
