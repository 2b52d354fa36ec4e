import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

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
