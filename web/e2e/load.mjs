/**
 * How the page bears much: its first paint with 10 000 jobs and 200 actors, and its memory through 100 000 events.
 *
 *   node web/e2e/load.mjs PROGRAM [--dist FOLDER]
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { launch, live, open, visit } from "./browser.mjs";
import { serveFiles } from "./proxy.mjs";
import { Server, until } from "./server.mjs";

const JOBS = 10_000;
const ACTORS = 200;
const EVENTS = 100_000;
const BATCH = 5000;
const FIRST_PAINT_MS = 1000;
const HEAP_GROWTH = 20 << 20;

const [program, ...flags] = process.argv.slice(2);
const server = new Server(program, "osis=2");
const submit = (name, jobs) => {
  const file = join(server.dir, name);
  writeFileSync(file, jobs.map((job) => JSON.stringify(job)).join("\n"));
  return server.cli("job", "submit", "--from-file", file, "-q");
};
const heap = async (page) => {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return usedSize;
};
let browser;
try {
  const own = await server.start();
  const url = flags[0] === "--dist" ? await serveFiles(flags[1], server) : own;
  await submit("waiting", Array.from({ length: JOBS }, (_, n) => ({ scriptType: "v", script: `fn main() { println('${n}') }`, callerId: "load" })));
  for (let n = 0; n < ACTORS; n += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, at) => server.cli("actor", "create", `spare-${n + at}`, "--type", "sal", "--no-start")));
  }
  browser = await launch();
  // Once for the files, which a browser keeps.
  const page = await open(browser, url);
  await page.reload();
  const painted = await page.evaluate(() => new Promise((resolve) => {
    const look = () => (document.querySelector("main h1") && !document.querySelector("main > p.muted") ? resolve(performance.now()) : requestAnimationFrame(look));
    look();
  }));
  console.log(`the first paint came after ${Math.round(painted)} ms, with ${JOBS} jobs and ${ACTORS} actors`);
  await visit(page, "#/jobs?type=v", "Jobs");
  await page.locator(".tbody .tr").nth(20).waitFor();
  const table = page.getByRole("table");
  for (let n = 0; n < 20; n += 1) await table.evaluate((box) => { box.scrollTop = box.scrollHeight; });
  assert.ok(await page.locator(".tbody .tr").count() < 80, "only what is seen exists");
  await visit(page, "#/", "Overview");
  const messages = async () => Number((await page.locator(".connection").getAttribute("title")).replace(/\D/g, ""));
  const before = await heap(page);
  const began = await messages();
  // A job has two events at least: it is queued, and it ends.
  while ((await messages()) - began < EVENTS) {
    const seen = await messages();
    await submit("short", Array.from({ length: BATCH }, (_, n) => ({ scriptType: "osis", script: String(n) })));
    await until("the page has seen the ends of the jobs", async () => (await messages()) >= seen + 2 * BATCH, 120_000);
  }
  await live(page);
  const grown = await heap(page) - before;
  console.log(`the heap has grown by ${(grown / (1 << 20)).toFixed(1)} MiB through ${(await messages()) - began} messages`);
  assert.ok(painted <= FIRST_PAINT_MS, `the first paint took ${painted} ms`);
  assert.ok(grown <= HEAP_GROWTH, `the heap has grown by ${grown} bytes`);
  assert.deepEqual(page.faults, []);
} finally {
  await browser?.close();
  await server.remove();
}
