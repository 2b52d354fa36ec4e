import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Fake } from "./fake.js";

const fake = new Fake();
let env: NodeJS.ProcessEnv;

before(async () => void (env = { ...process.env, HERO_SUPERVISOR_SERVER: await fake.listen() }));
after(() => fake.close());

async function output(example: string): Promise<string> {
  const file = fileURLToPath(new URL(`../examples/${example}.js`, import.meta.url));
  return (await promisify(execFile)(process.execPath, [file], { env, timeout: 60_000 })).stdout;
}

// The server of these tests answers with the script itself.
test("the examples do what they say", async () => {
  assert.match(await output("run"), /^job job-0\n40 \+ 2\n$/);
  assert.match(await output("batch"), /^0 \* 0 1 \* 1 .* 19 \* 19\n20 jobs of batch-\d+\n$/);
  assert.match(await output("follow"), /^one\ntwo behind 2\njob-\d+: SUCCEEDED\n$/);
});
