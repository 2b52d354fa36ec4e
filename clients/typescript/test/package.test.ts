import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const canRequire = major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);

test("programs that are no modules get the package by require", { skip: !canRequire && "this Node cannot" }, () => {
  const require = createRequire(import.meta.url);
  for (const name of ["hero-supervisor", "hero-supervisor/web"]) assert.equal(typeof require(name).connect, "function");
});
