import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Fake } from "./fake.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);

test("the packed package runs the program of its README in an empty project", async () => {
  const project = mkdtempSync(join(tmpdir(), "hero-client-"));
  const fake = new Fake();
  try {
    const address = await fake.listen();
    // The compiler was here already, and other tests read what it wrote.
    const packed = await run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", project], { cwd: root });
    const cwd = project;
    await run("npm", ["init", "--yes"], { cwd });
    await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", packed.stdout.trim()], { cwd });

    const program = /^```ts\n(.*?)^```/ms.exec(readFileSync(join(root, "README.md"), "utf8"))?.[1] ?? "";
    writeFileSync(join(project, "try.mjs"), program.replace("127.0.0.1:50051", address));
    assert.equal((await run("node", ["try.mjs"], { cwd })).stdout, "40 + 2\n");

    const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
    if (major < 20 || (major === 20 && minor < 19) || (major === 22 && minor < 12)) return;
    writeFileSync(join(project, "try.cjs"), 'console.log(typeof require("hero-supervisor").connect, typeof require("hero-supervisor/web").connect);');
    assert.equal((await run("node", ["try.cjs"], { cwd })).stdout, "function function\n");
  } finally {
    fake.close();
    rmSync(project, { recursive: true, force: true });
  }
});
